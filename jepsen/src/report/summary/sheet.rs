//! The summary as headings, sentences and tables, written as Markdown or as a page.

use std::collections::BTreeSet;

use super::{GoalRow, Sum, Summary, Told};
use crate::report::figures::Quantiles;
use crate::report::markup::{Page, count, duration, escaped, or_dash, table};

/// Runs of one list, at most; how many more there are is told.
const TOLD_MAX: usize = 50;

/// A part of the sheet. Text is plain: each form of it escapes what it must.
pub(super) enum Block {
    Heading(String),
    Sentence(String),
    Table { label: String, head: Vec<&'static str>, rows: Vec<Vec<String>> },
}

/// All parts of it.
pub(super) fn blocks(summary: &Summary) -> Vec<Block> {
    let all = &summary.all;
    let mut blocks = vec![
        Block::Sentence(format!(
            "{} runs count: {:.2} hours, {} operations ({} ok, {} of unknown outcome), {} faults \
             that took hold, {} power cuts, {} runs with violations. {} runs do not count.",
            count(all.runs),
            all.hours,
            count(all.operations),
            count(all.ok),
            count(all.info),
            count(all.fault_count()),
            count(all.power_cuts),
            count(all.invalid),
            count(all.uncounted)
        )),
        Block::Heading("Goals".into()),
        Block::Table {
            label: "Goals and figures".into(),
            head: vec!["goal", "what", "wanted", "reached", "state", "commit"],
            rows: summary.goals.iter().map(goal_row).collect(),
        },
    ];
    told(&mut blocks, "Runs with violations", &summary.violations);
    blocks.push(Block::Heading("Workloads and faults".into()));
    blocks.push(sums("Runs by workload and fault", "cell", &summary.cells));
    blocks.push(Block::Heading("Faults and recovery".into()));
    blocks.push(Block::Sentence(
        "Recovery is the time to the next acknowledged write among those that were begun after \
         the instant; p50, p99."
            .into(),
    ));
    blocks.push(faults(summary));
    blocks.push(Block::Heading("Clients, sizes, commits".into()));
    blocks.push(sums("Runs by client", "client", &summary.clients));
    let sizes = summary.sizes.iter().map(|(size, sum)| (size.to_string(), sum.clone())).collect();
    blocks.push(sums("Runs by number of nodes", "nodes", &sizes));
    blocks.push(sums("Runs by commit", "of commit", &summary.commits));
    told(&mut blocks, "Runs that do not count", &summary.uncounted);
    listed(&mut blocks, "Runs without results", &summary.without_results);
    listed(&mut blocks, "Runs that cannot be read", &summary.unreadable);
    blocks
}

fn goal_row(row: &GoalRow) -> Vec<String> {
    vec![
        row.goal.clone(),
        row.what.clone(),
        row.wanted.clone(),
        row.reached.clone(),
        row.state.words().into(),
        commits(&row.commits),
    ]
}

fn commits(commits: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = commits.iter().take(3).map(String::as_str).collect();
    match commits.len() {
        0 => "–".into(),
        1..=3 => shown.join(", "),
        all => format!("{} and {} more", shown.join(", "), all - 3),
    }
}

fn sums(label: &str, of: &'static str, sums: &std::collections::BTreeMap<String, Sum>) -> Block {
    let rows = sums
        .iter()
        .map(|(name, sum)| {
            vec![
                name.clone(),
                count(sum.runs),
                count(sum.uncounted),
                format!("{:.2}", sum.hours),
                count(sum.operations),
                count(sum.fault_count()),
                count(sum.power_cuts),
                count(sum.invalid),
                commits(&sum.commits),
            ]
        })
        .collect();
    let head = vec![
        of,
        "runs",
        "not counted",
        "hours",
        "operations",
        "faults",
        "power cuts",
        "invalid",
        "commit",
    ];
    Block::Table { label: label.into(), head, rows }
}

fn faults(summary: &Summary) -> Block {
    let kinds: BTreeSet<&String> =
        summary.all.faults.keys().chain(summary.recovery.keys()).collect();
    let pair = |of: Option<Quantiles>| {
        or_dash(of, |of| format!("{}, {}", duration(of.p50_ms), duration(of.p99_ms)))
    };
    let rows = kinds
        .into_iter()
        .map(|kind| {
            let figures = summary.recovery.get(kind).copied().unwrap_or_default();
            vec![
                kind.clone(),
                count(summary.all.faults.get(kind).copied().unwrap_or_default()),
                pair(figures.from_start),
                pair(figures.from_start_leader),
                pair(figures.from_heal),
                or_dash(figures.longest_gap, |gap| duration(gap.max_ms)),
                count(figures.never_healed),
                commits(&summary.all.commits),
            ]
        })
        .collect();
    let head = vec![
        "fault",
        "took hold",
        "from start",
        "of the leader",
        "from heal",
        "longest gap",
        "never healed",
        "commit",
    ];
    Block::Table { label: "Faults and recovery".into(), head, rows }
}

fn told(blocks: &mut Vec<Block>, heading: &str, runs: &[Told]) {
    if runs.is_empty() {
        return;
    }
    blocks.push(Block::Heading(heading.into()));
    let rows = runs
        .iter()
        .take(TOLD_MAX)
        .map(|told| {
            let verdict = told.verdict.name().to_owned();
            vec![told.run.clone(), verdict, told.reasons.join("; "), told.commit.clone()]
        })
        .collect();
    let head = vec!["run", "verdict", "reasons", "commit"];
    blocks.push(Block::Table { label: heading.into(), head, rows });
    more(blocks, runs.len());
}

fn listed(blocks: &mut Vec<Block>, heading: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    blocks.push(Block::Heading(heading.into()));
    let rows = names.iter().take(TOLD_MAX).map(|name| vec![name.clone()]).collect();
    blocks.push(Block::Table { label: heading.into(), head: vec!["run"], rows });
    more(blocks, names.len());
}

fn more(blocks: &mut Vec<Block>, all: usize) {
    if all > TOLD_MAX {
        blocks.push(Block::Sentence(format!("And {} more.", count((all - TOLD_MAX) as u64))));
    }
}

/// As Markdown.
pub(super) fn markdown(title: &str, blocks: &[Block]) -> String {
    let mut out = format!("# {title}\n");
    for block in blocks {
        out.push('\n');
        match block {
            Block::Heading(text) => out.push_str(&format!("## {text}\n")),
            Block::Sentence(text) => out.push_str(&format!("{text}\n")),
            Block::Table { head, rows, .. } => {
                out.push_str(&format!("| {} |\n", head.join(" | ")));
                out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|cell| cell_text(cell)).collect();
                    out.push_str(&format!("| {} |\n", cells.join(" | ")));
                }
            }
        }
    }
    out
}

/// Text that can neither end a cell nor begin something else.
fn cell_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '<' | '[' | ']' | '*' | '`' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// As a page.
pub(super) fn html(title: &str, blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        match block {
            Block::Heading(text) => body.push_str(&format!("<h2>{}</h2>\n", escaped(text))),
            Block::Sentence(text) => body.push_str(&format!("<p>{}</p>\n", escaped(text))),
            Block::Table { label, head, rows } => {
                let rows: Vec<Vec<String>> =
                    rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
                body.push_str(&table(label, head, &rows));
            }
        }
    }
    Page { title, trail: &[], body: &body, style: "", scripts: "" }.html()
}
