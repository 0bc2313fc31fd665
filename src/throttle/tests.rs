use super::*;
use proptest::prelude::*;

fn rate(burst: u32, per_second: u32) -> Rate {
    Rate::limited(burst, per_second).expect("a usable rate")
}

/// How many of `tries` messages at `now_ms` are let through.
fn takes(bucket: &mut TokenBucket, now_ms: u64, rate: &Rate, tries: usize) -> usize {
    (0..tries).filter(|_| bucket.try_take(now_ms, rate).is_ok()).count()
}

#[test]
fn a_bucket_is_eight_bytes() {
    assert_eq!(size_of::<TokenBucket>(), 8);
}

#[test]
fn a_new_bucket_is_full_at_any_time() {
    for start_ms in [0, 1, 999, 1_795_352_709_000] {
        let mut bucket = TokenBucket::default();
        assert_eq!(takes(&mut bucket, start_ms, &rate(20, 5), 100), 20, "at {start_ms}");
        assert_eq!(bucket.try_take(start_ms, &rate(20, 5)), Err(start_ms + 200));
    }
}

#[test]
fn it_fills_at_its_rate_and_no_fuller_than_full() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(20, 5));
    assert_eq!(takes(&mut bucket, 0, &rate, 100), 20);
    assert_eq!(takes(&mut bucket, 199, &rate, 100), 0);
    assert_eq!(takes(&mut bucket, 200, &rate, 100), 1);
    assert_eq!(takes(&mut bucket, 1_000, &rate, 100), 4);
    assert_eq!(takes(&mut bucket, 3_600_000, &rate, 100), 20);
}

#[test]
fn a_rate_that_does_not_divide_a_second_loses_nothing() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(1, 7));
    assert_eq!(bucket.try_take(0, &rate), Ok(()));
    let hour = (1..=3_600_000).filter(|&now_ms| bucket.try_take(now_ms, &rate).is_ok()).count();
    // A bucket of one holds back what comes within the millisecond: 143 ms a message.
    assert_eq!(hour, 3_600_000 / 143);

    let (mut bucket, rate) =
        (TokenBucket::default(), super::Rate::limited(2, 7).expect("a usable rate"));
    assert_eq!(takes(&mut bucket, 0, &rate, 2), 2);
    let hour = (1..=3_600_000).filter(|&now_ms| bucket.try_take(now_ms, &rate).is_ok()).count();
    assert_eq!(hour, 3_600 * 7, "a bucket with room for the remainder keeps it");
}

#[test]
fn off_lets_everything_through() {
    let mut bucket = TokenBucket::default();
    assert_eq!(takes(&mut bucket, 0, &Rate::Off, 1_000), 1_000);
    assert_eq!(bucket, TokenBucket::default());
}

#[test]
fn a_clock_that_steps_back_costs_all_that_may_be_owed_at_worst() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(4, 2));
    assert_eq!(takes(&mut bucket, 10_000_000, &rate, 100), 4);
    assert_eq!(bucket.try_take(5_000, &rate), Err(55_500));
    assert_eq!(takes(&mut bucket, 55_500, &rate, 100), 1);
    assert_eq!(takes(&mut bucket, 57_500, &rate, 100), 4);
}

#[test]
fn what_is_spent_afterwards_is_owed() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(4, 2));
    assert_eq!(takes(&mut bucket, 0, &rate, 1), 1);
    bucket.spend(2, 0, &rate);
    assert_eq!(takes(&mut bucket, 0, &rate, 100), 1, "of the three that were left");
    bucket.spend(10, 0, &rate);
    assert_eq!(bucket.try_take(0, &rate), Err(5_500), "ten are owed and one is wanted");
    bucket.spend(usize::MAX, 0, &rate);
    assert_eq!(bucket.try_take(5_500, &rate), Err(55_500), "so many may be owed");
}

#[test]
fn a_bucket_that_is_full_is_spent_from_too() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(4, 2));
    bucket.spend(3, 1_000_000, &rate);
    assert_eq!(takes(&mut bucket, 1_000_000, &rate, 100), 1);
}

#[test]
fn what_is_missing_comes_back_with_time() {
    let (mut bucket, rate) = (TokenBucket::default(), rate(4, 2));
    assert_eq!(bucket.missing(1_000_000, &rate), 0);
    assert_eq!(takes(&mut bucket, 1_000_000, &rate, 1), 1);
    bucket.spend(5, 1_000_000, &rate);
    assert_eq!(bucket.missing(1_000_000, &rate), 6_000);
    assert_eq!(bucket.missing(1_000_500, &rate), 5_000);
    assert_eq!(bucket.missing(1_003_000, &rate), 0);
    assert_eq!(bucket.missing(1_000_000, &Rate::Off), 0);
}

#[test]
fn the_end_of_time_does_not_panic() {
    let mut bucket = TokenBucket::default();
    let _ = takes(&mut bucket, u64::MAX, &rate(RATE_MAX, RATE_MAX), 10);
    assert!(bucket.full_at > 0);
}

#[test]
fn rates_are_read_and_written_the_same_way() {
    for given in ["20:5", "1:1", "1000000:1000000", "off"] {
        assert_eq!(given.parse::<Rate>().expect("a usable rate").to_string(), given);
    }
    assert_eq!("20:5".parse(), Ok(rate(20, 5)));
    assert_eq!("off".parse(), Ok(Rate::Off));
}

#[test]
fn a_rate_that_can_not_be_used_is_refused() {
    for given in [
        "",
        "20",
        "20:",
        ":5",
        "0:5",
        "20:0",
        "20:5:1",
        "+20:5",
        "-1:5",
        "1000001:5",
        "20:99999999999",
        "OFF",
    ] {
        assert_eq!(given.parse::<Rate>(), Err(RateError), "{given}");
    }
    assert!(Rate::limited(0, 1).is_err() && Rate::limited(1, RATE_MAX + 1).is_err());
}

proptest! {
    /// In any window of any run, no more than the burst and what the rate adds in the window's
    /// time.
    #[test]
    fn never_more_than_burst_and_rate(
        burst in 1u32..40, per_second in 1u32..3_000, start_ms in 0u64..1 << 42,
        steps in prop::collection::vec(0u64..700, 1..120),
    ) {
        let (mut bucket, rate) = (TokenBucket::default(), rate(burst, per_second));
        let mut now_ms = start_ms;
        let mut taken_ms = Vec::new();
        for step in steps {
            now_ms += step;
            while bucket.try_take(now_ms, &rate).is_ok() {
                taken_ms.push(now_ms);
                if taken_ms.len() > 400 { break; }
            }
        }
        for (i, &first_ms) in taken_ms.iter().enumerate() {
            for (j, &last_ms) in taken_ms.iter().enumerate().skip(i) {
                let most = u64::from(burst) * 1_000 + (last_ms - first_ms) * u64::from(per_second);
                prop_assert!((j - i + 1) as u64 * 1_000 <= most, "{} in {} ms", j - i + 1, last_ms - first_ms);
            }
        }
    }

    /// A bucket that was left alone for the time to fill is as good as new, and before that it is
    /// not.
    #[test]
    fn it_is_full_when_it_should_be(
        burst in 1u32..40, per_second in 1u32..3_000, start_ms in 0u64..1 << 42,
    ) {
        let (mut bucket, rate) = (TokenBucket::default(), rate(burst, per_second));
        takes(&mut bucket, start_ms, &rate, burst as usize);
        let full_ms = start_ms + rate.fill_ms();
        prop_assert_eq!(takes(&mut bucket.clone(), full_ms, &rate, 100), burst as usize);
        prop_assert!(takes(&mut bucket.clone(), full_ms - 1, &rate, 100) < burst as usize);
    }

    /// The promised time admits, the millisecond before it does not, and asking costs nothing.
    #[test]
    fn the_promised_time_is_the_earliest(
        burst in 1u32..40, per_second in 1u32..3_000, start_ms in 0u64..1 << 42, later_ms in 0u64..5_000,
    ) {
        let (mut bucket, rate) = (TokenBucket::default(), rate(burst, per_second));
        takes(&mut bucket, start_ms, &rate, burst as usize);
        let mut now_ms = start_ms + later_ms;
        let promised_ms = loop {
            match bucket.try_take(now_ms, &rate) {
                Ok(()) => continue,
                Err(promised_ms) => break promised_ms,
            }
        };
        prop_assert!(promised_ms > now_ms);
        while now_ms < promised_ms {
            prop_assert_eq!(bucket.try_take(now_ms, &rate), Err(promised_ms));
            now_ms += 1 + (promised_ms - now_ms) / 3;
        }
        prop_assert_eq!(bucket.clone().try_take(promised_ms - 1, &rate), Err(promised_ms));
        prop_assert_eq!(bucket.try_take(promised_ms, &rate), Ok(()));
    }
}

#[test]
fn draining_takes_what_taking_one_by_one_does() {
    for (burst, per_second) in [(1, 1), (3, 2), (20, 7), (500, 1000)] {
        let rate = Rate::limited(burst, per_second).expect("in range");
        for (spent, passed_ms) in [(0, 0), (1, 3), (15, 400), (90, 1234), (600, 999)] {
            let mut drained = TokenBucket::default();
            drained.spend(spent, 1000, &rate);
            let (mut taken, now_ms) = (drained, 1000 + passed_ms);
            while taken.try_take(now_ms, &rate).is_ok() {}
            drained.drain(now_ms, &rate);
            assert_eq!(drained, taken, "{rate}, {spent} spent and {passed_ms} ms passed");
        }
    }
    let mut bucket = TokenBucket::default();
    bucket.drain(0, &Rate::limited(RATE_MAX, 1).expect("in range"));
    assert!(!bucket.has_token(0, &Rate::limited(RATE_MAX, 1).expect("in range")));
    bucket.drain(0, &Rate::Off);
}
