//! Items as CSV files, from any `Read` and to any `Write`.

use std::io::{self, ErrorKind, Read, Write};

use super::stock::Item;

pub(crate) fn read(file: impl Read) -> csv::Result<Vec<Item>> {
    let mut reader = csv::Reader::from_reader(file);
    // Without items, a file of anything else would be one without items.
    let header = reader.headers()?;
    if let Some(missing) = ["id", "name", "stock"].iter().find(|name| !header.iter().any(|column| column == **name)) {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("the first line has no column `{missing}`")).into());
    }
    reader.deserialize().collect()
}

/// Writes the pages that `next_page` gives, until one is empty. Its argument is the last item's number.
pub(crate) fn write(file: impl Write, mut next_page: impl FnMut(i32) -> io::Result<Vec<Item>>) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let mut last = i32::MIN;
    loop {
        let page = next_page(last)?;
        let Some(item) = page.last() else { return writer.flush() };
        last = item.id;
        for item in &page {
            writer.serialize(item)?;
        }
    }
}
