//! The wall clock of one process, made false. Its monotonic clock stays true: a time-out takes as
//! long as ever, and what rests on wall time shows.

use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::preload::{Preload, slots};

const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// The false clock of the processes that were started with a block's environment.
#[derive(Debug)]
pub struct Clock {
    preload: Preload,
    setting: Setting,
}

/// All in nanoseconds, but for the drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Setting {
    ahead: i64,
    /// Nanoseconds gained in each second.
    drift: i64,
    since: i64,
    strobe_by: i64,
    strobe_half: i64,
}

/// What a process was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Readings of a false time.
    pub readings: u64,
    /// Nanoseconds by which the last of them was ahead; negative: behind.
    pub ahead_ns: i64,
}

impl Clock {
    /// The clock of a block that nobody else makes a clock for; true until it is told otherwise.
    pub fn new(preload: &Preload) -> Clock {
        Clock { preload: preload.clone(), setting: Setting::default() }
    }

    /// Moves the clock by so many milliseconds, back if they are negative.
    pub fn jump(&mut self, ms: i64) -> anyhow::Result<()> {
        let mut setting = self.setting.at(monotonic()?);
        let by = ms.checked_mul(MILLISECOND).and_then(|by| setting.ahead.checked_add(by));
        setting.ahead = by.with_context(|| format!("a jump of {ms} ms is too far"))?;
        self.set(setting)
    }

    /// The clock gains this share of each second from now on, or loses it: with 0.01, 10 ms.
    pub fn drift(&mut self, rate: f64) -> anyhow::Result<()> {
        ensure!(rate.abs() <= 1000.0, "a drift of {rate} is too fast");
        let mut setting = self.setting.at(monotonic()?);
        // Within what an i64 holds, as was just looked.
        setting.drift = (rate * SECOND as f64) as i64;
        self.set(setting)
    }

    /// The clock goes to and fro: ahead by this much for half a period, then behind by as much.
    pub fn strobe(&mut self, by: Duration, half_period: Duration) -> anyhow::Result<()> {
        ensure!(!half_period.is_zero(), "a strobe needs a period");
        let mut setting = self.setting;
        setting.strobe_by = i64::try_from(by.as_nanos())?;
        setting.strobe_half = i64::try_from(half_period.as_nanos())?;
        self.set(setting)
    }

    /// The true time again.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        self.set(Setting::default())
    }

    /// The proof: what the process has read so far, `heal` or not.
    pub fn shown(&self) -> anyhow::Result<Shown> {
        let readings = self.preload.read(slots::FALSE_TIMES)?;
        let ahead_ns = self.preload.read(slots::LAST_AHEAD)?.cast_signed();
        Ok(Shown { readings, ahead_ns })
    }

    fn set(&mut self, setting: Setting) -> anyhow::Result<()> {
        let Setting { ahead, drift, since, strobe_by, strobe_half } = setting;
        let version = self.preload.read(slots::CLOCK_VERSION)? | 1;
        self.preload.write(slots::CLOCK_VERSION, version)?;
        for (slot, value) in [
            (slots::CLOCK_AHEAD, ahead),
            (slots::CLOCK_DRIFT, drift),
            (slots::CLOCK_SINCE, since),
            (slots::STROBE_BY, strobe_by),
            (slots::STROBE_HALF, strobe_half),
        ] {
            self.preload.write(slot, value.cast_unsigned())?;
        }
        self.preload.write(slots::CLOCK_VERSION, version + 1)?;
        self.setting = setting;
        Ok(())
    }
}

impl Setting {
    /// The same clock, with what it has gained until now as a part of `ahead`.
    fn at(self, now: i64) -> Setting {
        let gained = i128::from(now - self.since) * i128::from(self.drift) / i128::from(SECOND);
        let ahead = self.ahead.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX));
        Setting { ahead, since: now, ..self }
    }
}

/// The same for every process of a machine.
fn monotonic() -> anyhow::Result<i64> {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.checked_mul(SECOND).map(|seconds| seconds + now.tv_nsec).context("the clock's end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_that_ends_leaves_what_it_gained() {
        let gaining = Setting { ahead: 7, drift: SECOND / 10, since: 5 * SECOND, ..<_>::default() };
        let later = gaining.at(25 * SECOND);
        assert_eq!((later.ahead, later.since), (2 * SECOND + 7, 25 * SECOND));
        let losing = Setting { drift: -SECOND / 10, ..later };
        assert_eq!(losing.at(35 * SECOND).ahead, SECOND + 7);
    }
}
