//! The two kinds of chart that the report needs, readable on light and dark pages.

use std::fmt::Write as _;

use crate::table::short;

const WIDTH: f64 = 720.0;
/// Where the names of bars, or the numbers beside lines, end.
const LEFT: f64 = 170.0;
const TOP: f64 = 50.0;
const BAR: f64 = 26.0;
const PLOT: f64 = 260.0;
const COLOURS: [&str; 6] = ["#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#9c6b4e"];

/// Horizontal bars, each with its name and value.
pub(crate) fn bars(title: &str, bars: &[(String, f64)]) -> String {
    let most = top(bars.iter().map(|(_, value)| *value));
    let mut body = String::new();
    for (index, (name, value)) in bars.iter().enumerate() {
        let y = TOP + index as f64 * BAR;
        let length = (value.max(0.0) / most * (WIDTH - LEFT - 80.0)).max(1.0);
        let colour = COLOURS[index % COLOURS.len()];
        text(&mut body, LEFT - 8.0, y + 14.0, "end", name);
        _ = writeln!(body, r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="18" fill="{colour}"/>"#);
        text(&mut body, LEFT + length + 6.0, y + 14.0, "start", &short(*value));
    }
    frame(title, TOP + bars.len() as f64 * BAR + 14.0, &body)
}

/// Lines over the same few points, each with its name.
pub(crate) fn lines(title: &str, points: &[String], lines: &[(String, Vec<f64>)]) -> String {
    let most = top(lines.iter().flat_map(|(_, values)| values.iter().copied()));
    let (bottom, left, right) = (TOP + PLOT, 80.0, WIDTH - LEFT);
    let x = |index: usize| left + (right - left) * index as f64 / (points.len() - 1).max(1) as f64;
    let y = |value: f64| bottom - PLOT * value / most;
    let mut body = String::new();
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        _ = writeln!(body, r##"<path d="M{left} {0:.1}H{right}" stroke="#ddd"/>"##, y(value));
        text(&mut body, left - 8.0, y(value) + 4.0, "end", &short(value));
    }
    for (index, name) in points.iter().enumerate() {
        text(&mut body, x(index), bottom + 20.0, "middle", name);
    }
    for (number, (name, values)) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path: Vec<_> = values.iter().enumerate().map(|(i, v)| format!("{:.1},{:.1}", x(i), y(*v))).collect();
        let path = path.join(" ");
        _ = writeln!(body, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
        let row = TOP + 10.0 + number as f64 * 20.0;
        _ = writeln!(body, r#"<rect x="{}" y="{}" width="12" height="12" fill="{colour}"/>"#, right + 20.0, row - 10.0);
        text(&mut body, right + 38.0, row, "start", name);
    }
    frame(title, bottom + 36.0, &body)
}

/// The top of an axis: the least round number that is not below any value.
fn top(values: impl Iterator<Item = f64>) -> f64 {
    let most = values.fold(f64::MIN_POSITIVE, f64::max);
    let power = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0].map(|step| step * power).into_iter().find(|top| *top >= most).unwrap_or(10.0 * power)
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    _ = writeln!(body, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
}

fn frame(title: &str, height: f64, body: &str) -> String {
    let mut heading = String::new();
    text(&mut heading, 16.0, 26.0, "start", title);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" fill="#222">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
<g font-weight="bold">{heading}</g>
{body}</svg>
"##
    )
}
