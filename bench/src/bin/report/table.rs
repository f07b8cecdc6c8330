//! Markdown tables.

/// A table under construction.
pub(crate) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self { columns: columns.len(), text: "\n".to_owned() };
        table.row(columns.iter().map(ToString::to_string));
        table.row(columns.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }.to_owned()));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns, "each row has a cell for each column");
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Three significant digits are more than enough.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n < 9.95 => format!("{number:.1}"),
        n if n < 99_950.0 => format!("{number:.0}"),
        _ => format!("{:.0}k", number / 1e3),
    }
}

/// A cell for a number that may not be there.
pub(crate) fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), text)
}
