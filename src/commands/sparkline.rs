//! Bars in text: how a number went, and how much of a whole it is.

const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The bar of a number between two others; the lowest one where both are the same.
pub fn height(number: f64, low: f64, high: f64) -> char {
    let share = if high > low { (number - low) / (high - low) } else { 0.0 };
    HEIGHTS[(share.clamp(0.0, 1.0) * 7.0).round() as usize]
}

/// A bar in characters that every terminal has.
pub fn in_ascii(bar: char) -> Option<char> {
    const PLAIN: [char; 8] = ['_', '.', '-', '=', '+', '*', '%', '#'];
    HEIGHTS.iter().position(|known| *known == bar).map(|at| PLAIN[at])
}

/// A bar that is filled to a share: `[########------------]`.
pub fn bar(share: f64, cells: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * cells as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(cells - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_height_of_its_share() {
        for (number, low, high, bar) in [
            (0.0, 0.0, 7.0, '▁'),
            (1.0, 0.0, 7.0, '▂'),
            (7.0, 0.0, 7.0, '█'),
            (9.0, 0.0, 7.0, '█'),
            (-1.0, 0.0, 7.0, '▁'),
            (5.0, 5.0, 5.0, '▁'),
            (f64::NAN, 0.0, 1.0, '▁'),
        ] {
            assert_eq!(height(number, low, high), bar, "{number} of {low} to {high}");
        }
    }

    #[test]
    fn a_bar_is_filled_to_the_share() {
        for (share, drawn) in [(0.0, "[----]"), (0.5, "[##--]"), (1.0, "[####]"), (7.0, "[####]"), (-1.0, "[----]")] {
            assert_eq!(bar(share, 4), drawn, "{share}");
        }
    }

    #[test]
    fn every_bar_has_a_plain_one() {
        assert_eq!("▁▅█".chars().filter_map(in_ascii).collect::<String>(), "_+#");
        assert_eq!(in_ascii('x'), None);
    }
}
