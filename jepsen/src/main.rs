//! Arguments of the harness.

fn main() -> anyhow::Result<()> {
    Ok(())
}
