//! How sure a sample is: intervals that hold in 95 of 100 samples.

/// Standard deviations of 95 of 100.
const Z: f64 = 1.96;

/// Bounds of a share `p` of keys seen in `n` draws (Wilson).
pub fn interval(n: f64, p: f64) -> (f64, f64) {
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// A sum and the sum of squares.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Sum of the numbers.
    pub plain: f64,
    /// Sum of their squares.
    pub squares: f64,
}

impl Sums {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        self.plain += number;
        self.squares += number * number;
    }

    /// By how much the share that `self` has of `all` may be off: the draws are keys, the share is one of bytes, so that one large
    /// key weighs as much as a thousand small ones (the linearized variance of a ratio).
    pub fn margin_of(self, all: Self) -> f64 {
        if all.plain <= 0.0 {
            return 0.0;
        }
        let share = self.plain / all.plain;
        let residuals = self.squares * (1.0 - 2.0 * share) + share * share * all.squares;
        (Z * residuals.max(0.0).sqrt() / all.plain).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same each time (xorshift).
    fn chance(state: &mut u64) -> f64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn the_bounds_hold_in_about_95_of_100_samples() {
        // Three of ten keys are in the prefix, and four times as large as the others: 12/19 of the bytes.
        let (mut state, mut keys_hold, mut bytes_hold) = (88_172_645_463_325_252, 0, 0);
        for _ in 0..1000 {
            let (mut prefix, mut all, mut seen) = (Sums::default(), Sums::default(), 0.0);
            for _ in 0..400 {
                let size = 50.0 + 100.0 * chance(&mut state);
                if chance(&mut state) < 0.3 {
                    prefix.add(4.0 * size);
                    all.add(4.0 * size);
                    seen += 1.0;
                } else {
                    all.add(size);
                }
            }
            let (low, high) = interval(400.0, seen / 400.0);
            keys_hold += u32::from((low..=high).contains(&0.3));
            bytes_hold += u32::from((prefix.plain / all.plain - 12.0 / 19.0).abs() <= prefix.margin_of(all));
        }
        assert!((930..=970).contains(&keys_hold), "{keys_hold} of 1000");
        assert!((930..=970).contains(&bytes_hold), "{bytes_hold} of 1000");
    }

    #[test]
    fn nothing_and_everything_are_no_trouble() {
        let mut all = Sums::default();
        assert_eq!(Sums::default().margin_of(all), 0.0);
        all.add(9.0);
        assert_eq!(all.margin_of(all), 0.0);
        assert_eq!(interval(10.0, 0.0).0, 0.0);
    }
}
