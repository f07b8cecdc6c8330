//! Durations in nanoseconds, counted by size.

/// Each power of two is divided into so many buckets: values in one differ by a sixteenth at most.
const PARTS: u64 = 16;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// Durations of 2^44 nanoseconds, about five hours, and more share a bucket.
const MAX_BITS: u32 = 44;

const BUCKETS: usize = ((MAX_BITS - PART_BITS + 1) as usize) << PART_BITS;

/// Keeps the number and the sum of the durations of each bucket, so that no sum is rounded.
#[derive(Debug)]
pub(crate) struct Histogram(Box<[Bucket]>);

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    count: usize,
    /// In nanoseconds.
    sum: u64,
}

/// Some durations of about the same size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alike {
    pub(crate) count: usize,
    pub(crate) mean_seconds: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self(vec![Bucket::default(); BUCKETS].into())
    }
}

impl Histogram {
    #[inline]
    pub(crate) fn add(&mut self, nanos: u64) {
        let bucket = &mut self.0[index(nanos)];
        bucket.count += 1;
        bucket.sum = bucket.sum.saturating_add(nanos);
    }

    /// Takes out what was added.
    pub(crate) fn take_into(&mut self, taken: &mut Vec<Alike>) {
        let filled = self.0.iter_mut().filter(|bucket| bucket.count > 0).map(std::mem::take);
        taken
            .extend(filled.map(|Bucket { count, sum }| Alike { count, mean_seconds: sum as f64 / 1e9 / count as f64 }));
    }
}

#[inline]
fn index(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    let part = (nanos >> (power - PART_BITS)) & (PARTS - 1);
    let index = (u64::from(power - PART_BITS + 1) << PART_BITS) + part;
    (index as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_buckets_narrow() {
        let mut histogram = Histogram::default();
        let nanos = [0, 1, 15, 16, 17, 31, 32, 1_000, 1_001, 1_000_000_007, 1 << 43, u64::MAX];
        for nanos in nanos {
            histogram.add(nanos);
        }
        let mut taken = Vec::new();
        histogram.take_into(&mut taken);
        // 1,000 and 1,001 are alike.
        assert_eq!(taken.iter().map(|alike| alike.count).sum::<usize>(), nanos.len());
        assert_eq!(taken.len(), nanos.len() - 1);
        assert!(taken.contains(&Alike { count: 2, mean_seconds: 1000.5e-9 }), "{taken:?}");
        assert!(taken.contains(&Alike { count: 1, mean_seconds: 1.000000007 }), "{taken:?}");
        histogram.take_into(&mut taken);
        assert_eq!(taken.len(), nanos.len() - 1, "they have been taken");
    }

    #[test]
    fn larger_durations_are_never_in_a_lower_bucket() {
        let mut last = 0;
        for nanos in (0..100_000).chain((17..63).map(|power| 1 << power)) {
            let index = index(nanos);
            assert!(index == last || index == last + 1 || nanos > 100_000, "{nanos}");
            assert!(index >= last, "{nanos}");
            last = index;
        }
    }
}
