//! What all plots have in common: axes, bands of faults, a legend, and colours for light and dark.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::markup::escaped;
use super::operations::{Fault, seconds};

/// Width of every plot, in units of its own; pages scale it.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 944.0;
const TOP: f64 = 56.0;
/// Room between two panels: the axis of the upper one and the title of the lower one.
const BETWEEN: f64 = 62.0;
/// Colours of bands and series before they begin again.
pub(super) const COLOURS: usize = 8;
const STYLE: &str = "\
.sk{--p:#fff;--i:#1b1f24;--s:#57606a;--l:#d8dee4;--c0:#2268a8;--c1:#b5520b;--c2:#1a7a45;\
--c3:#a8326f;--c4:#6b3fa0;--c5:#806600;--c6:#0b7a86;--c7:#4d5761;--ok:#2268a8;--fail:#b8327a;\
--info:#a66a00;background:var(--p);font:13px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.sk{--p:#14181d;--i:#e6e9ec;--s:#9aa4af;--l:#2c343c;\
--c0:#79b8ee;--c1:#ff9d5c;--c2:#5fce90;--c3:#f08fc0;--c4:#c3a0f2;--c5:#e0c24a;--c6:#5cd0dc;\
--c7:#aab4bf;--ok:#79b8ee;--fail:#f08fc0;--info:#f0b95a}}\
.sk text{fill:var(--i)}.sk .s{fill:var(--s)}.sk .g{stroke:var(--l);fill:none}\
.sk .a{stroke:var(--s);fill:none}.sk .n{fill:none;stroke-width:2;stroke-linejoin:round}\
.sk .d{fill:none;stroke-width:1.2;opacity:.75}\
.sk .band{opacity:.17}.sk .edge{stroke-width:1.5;stroke-dasharray:4 3;opacity:.8}";

/// A scale of values upwards.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// From nothing to this.
    Linear(f64),
    /// Between these powers of ten.
    Logarithmic(i32, i32),
}

impl Scale {
    /// From nothing to a round number that holds the greatest value.
    pub(super) fn linear(greatest: f64) -> Self {
        let step = round_step(greatest.max(1e-9) / 4.0);
        Self::Linear(step * (greatest / step).ceil().max(1.0))
    }

    /// Powers of ten around the values, at least one apart.
    pub(super) fn logarithmic(least: f64, greatest: f64) -> Self {
        let low = least.max(1e-3).log10().floor() as i32;
        let high = greatest.max(1e-3).log10().ceil() as i32;
        Self::Logarithmic(low, high.max(low + 1))
    }

    /// 0 at the bottom, 1 at the top.
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear(top) => value / top,
            Self::Logarithmic(low, high) => {
                (value.max(1e-9).log10() - f64::from(low)) / f64::from(high - low)
            }
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(top) => ticks(top),
            Self::Logarithmic(low, high) => (low..=high).map(|power| 10_f64.powi(power)).collect(),
        }
    }
}

/// One field of a plot.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    top: f64,
    height: f64,
    scale: Scale,
    end_s: f64,
}

impl Panel {
    /// Where a time lies, in units of the plot.
    pub(super) fn x(&self, time_s: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (time_s / self.end_s).clamp(0.0, 1.0)
    }

    /// Where a value lies, in units of the plot.
    pub(super) fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.scale.share(value))
    }
}

/// A plot on its way.
pub(super) struct Plot<'a> {
    title: String,
    says: String,
    end_s: f64,
    faults: &'a [Fault],
    colours: BTreeMap<&'a str, usize>,
    body: String,
    bottom: f64,
    legend: Vec<(String, String)>,
}

impl<'a> Plot<'a> {
    /// Begins a plot of the time from nothing to `end`, nanoseconds.
    pub(super) fn new(title: &str, says: &str, end: u64, faults: &'a [Fault]) -> Self {
        let mut colours = BTreeMap::new();
        for fault in faults {
            // The first colour is that of what happened.
            let next = (colours.len() + 1) % COLOURS;
            colours.entry(fault.kind.as_str()).or_insert(next);
        }
        Self {
            title: title.into(),
            says: says.into(),
            end_s: seconds(end).max(1e-3),
            faults,
            colours,
            body: String::new(),
            bottom: TOP - BETWEEN,
            legend: Vec::new(),
        }
    }

    /// Adds a field below the last one, with its axes and the bands of the faults.
    pub(super) fn panel(
        &mut self,
        name: &str,
        height: f64,
        scale: Scale,
        unit: fn(f64) -> String,
    ) -> Panel {
        let top = self.bottom + BETWEEN;
        let panel = Panel { top, height, scale, end_s: self.end_s };
        let (bottom, end_s) = (top + height, self.end_s);
        self.bottom = bottom;
        self.bands(panel);
        self.write(format_args!(
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"600\">{}</text>\n",
            top - 10.0,
            escaped(name)
        ));
        for value in scale.ticks() {
            let y = panel.y(value);
            self.write(format_args!(
                "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"s\" x=\"{:.1}\" \
                 y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                escaped(&unit(value))
            ));
        }
        for time_s in ticks(end_s).into_iter().filter(|time_s| *time_s <= end_s) {
            let x = panel.x(time_s);
            self.write(format_args!(
                "<path class=\"a\" d=\"M{x:.1} {:.1}v5\"/><text class=\"s\" x=\"{x:.1}\" \
                 y=\"{:.1}\" text-anchor=\"middle\">{} s</text>\n",
                bottom,
                bottom + 20.0,
                trimmed(time_s)
            ));
        }
        self.write(format_args!("<path class=\"a\" d=\"M{LEFT} {top}V{:.1}H{RIGHT}\"/>\n", bottom));
        panel
    }

    /// Adds something drawn.
    pub(super) fn write(&mut self, drawn: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.body.write_fmt(drawn);
    }

    /// Adds a row of the legend: a sign drawn around 0 0, and what it stands for.
    pub(super) fn explain(&mut self, sign: String, says: &str) {
        self.legend.push((sign, says.into()));
    }

    /// A line through points, which breaks where there is none. Name and colour go to the legend.
    pub(super) fn line(
        &mut self,
        panel: Panel,
        colour: usize,
        name: &str,
        points: &[(f64, Option<f64>)],
    ) {
        let mut path = String::new();
        let mut pen = 'M';
        for (time_s, value) in points {
            let Some(value) = value else {
                pen = 'M';
                continue;
            };
            let _ = write!(path, "{pen}{:.1} {:.1}", panel.x(*time_s), panel.y(*value));
            if pen == 'M' {
                // A point between two gaps shows as a dot.
                path.push_str("h.1");
            }
            pen = 'L';
        }
        self.write(format_args!(
            "<path class=\"n\" stroke=\"var(--c{})\" stroke-linecap=\"round\" \
             d=\"{path}\"><title>{}</title></path>\n",
            colour % COLOURS,
            escaped(name)
        ));
    }

    /// A line's row in the legend.
    pub(super) fn explain_line(&mut self, colour: usize, name: &str) {
        let colour = colour % COLOURS;
        self.explain(
            format!("<path class=\"n\" stroke=\"var(--c{colour})\" d=\"M-8 0h16\"/>"),
            name,
        );
    }

    fn bands(&mut self, panel: Panel) {
        let faults = self.faults;
        for fault in faults {
            let colour = self.colours[fault.kind.as_str()];
            let from = panel.x(seconds(fault.start));
            let to = fault.stop.map_or(RIGHT, |stop| panel.x(seconds(stop)));
            let nodes = fault.nodes.join(", ");
            let says = escaped(format!("{} {nodes} {}", fault.kind, fault.detail).trim());
            match fault.instant {
                true => self.write(format_args!(
                    "<path class=\"edge\" stroke=\"var(--c{colour})\" d=\"M{from:.1} {}v{}\">\
                     <title>{says}</title></path>\n",
                    panel.top, panel.height
                )),
                false => self.write(format_args!(
                    "<rect class=\"band\" fill=\"var(--c{colour})\" x=\"{from:.1}\" y=\"{}\" \
                     width=\"{:.1}\" height=\"{}\"><title>{says}</title></rect>\n",
                    panel.top,
                    (to - from).max(1.5),
                    panel.height
                )),
            }
        }
    }

    /// The file.
    pub(super) fn svg(mut self) -> String {
        for (kind, colour) in std::mem::take(&mut self.colours) {
            let sign = format!(
                "<rect class=\"band\" style=\"opacity:.4\" fill=\"var(--c{colour})\" x=\"-8\" \
                 y=\"-7\" width=\"16\" height=\"14\"/>"
            );
            self.explain(sign, &format!("fault: {kind}"));
        }
        let (mut x, mut y) = (LEFT + 8.0, self.bottom + 48.0);
        let mut legend = String::new();
        for (sign, says) in &self.legend {
            // No font is measured here: 7.4 units a letter hold the widest of usual fonts.
            let width = 34.0 + 7.4 * says.chars().count() as f64;
            if x + width > RIGHT {
                (x, y) = (LEFT + 8.0, y + 24.0);
            }
            let _ = writeln!(
                legend,
                "<g transform=\"translate({x:.1} {y:.1})\">{sign}<text x=\"14\" y=\"4.5\">{}</text>\
                 </g>",
                escaped(says)
            );
            x += width;
        }
        let height = y + 20.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sk\" \
             viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"{title}. {says}\">\n<style>{STYLE}</style>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\" font-weight=\"600\">{title}</text>\n\
             {body}{legend}</svg>\n",
            title = escaped(&self.title),
            says = escaped(&self.says),
            body = self.body,
        )
    }
}

/// Round values from 0 up to this one, nine at most.
fn ticks(greatest: f64) -> Vec<f64> {
    let step = round_step(greatest / 8.0);
    let steps = (greatest / step + 1e-9).floor() as u32;
    (0..=steps).map(|at| f64::from(at) * step).collect()
}

/// 1, 2 or 5 times a power of ten, at least this.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps.into_iter().find(|round| *round >= step * 0.999_999).unwrap_or(10.0 * power)
}

/// A number without needless digits.
pub(super) fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(120.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0]);
        assert_eq!(ticks(30.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        for greatest in [0.3, 1.0, 7.0, 42.0, 999.0, 86_400.0] {
            assert!((3..=9).contains(&ticks(greatest).len()), "{greatest}: {:?}", ticks(greatest));
        }
    }

    #[test]
    fn a_logarithmic_scale_gives_each_power_of_ten_the_same_room() {
        let scale = Scale::logarithmic(0.5, 2_000.0);
        assert_eq!(scale.ticks().len(), 6);
        let steps: Vec<f64> = scale.ticks().iter().map(|tick| scale.share(*tick)).collect();
        assert!(steps.windows(2).all(|pair| (pair[1] - pair[0] - 0.2).abs() < 1e-9), "{steps:?}");
    }

    #[test]
    fn a_linear_scale_holds_its_greatest_value() {
        let Scale::Linear(top) = Scale::linear(437.0) else { panic!("not linear") };
        assert_eq!(top, 600.0);
    }
}
