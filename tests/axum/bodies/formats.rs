//! The formats: how rows of text are written, and read again. None of this knows of fibers.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use zip::{ZipWriter, read::read_zipfile_from_stream, write::SimpleFileOptions};

/// What is called once, between the rows.
pub(crate) type Midway<'a> = &'a mut dyn FnMut();

pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) write: fn(&mut dyn Write, Midway<'_>) -> io::Result<()>,
    pub(crate) read: fn(&mut dyn Read) -> io::Result<Vec<String>>,
}

pub(crate) const FORMATS: [Format; 7] = [
    Format { name: "flate2", write: write_gzip, read: read_gzip },
    Format { name: "tar", write: write_tar, read: read_tar },
    Format { name: "zip that is written as a stream", write: write_zip, read: read_zip },
    Format { name: "zip that is read as a stream", write: write_zip_of_files, read: read_zip_as_stream },
    Format { name: "csv", write: write_csv, read: read_csv },
    Format { name: "BufWriter", write: write_lines, read: read_lines },
    Format { name: "serde_json", write: write_json, read: read_json },
];

/// More than a chunk of a response's body on either side of the middle, also when they are compressed.
const ROWS: usize = 200;

/// Texts of a thousand characters that hardly repeat.
pub(crate) fn rows() -> impl Iterator<Item = String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..ROWS).map(move |row| {
        let mut text = format!("row {row} ");
        while text.len() < 1000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text += &format!("{state:016x}");
        }
        text
    })
}

/// Writes the rows, and calls `midway` in the middle of them.
fn each_row(midway: Midway<'_>, mut write: impl FnMut(usize, &str) -> io::Result<()>) -> io::Result<()> {
    for (number, row) in rows().enumerate() {
        if number == ROWS / 2 {
            midway();
        }
        write(number, &row)?;
    }
    Ok(())
}

fn write_gzip(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut gzip = GzEncoder::new(w, Compression::fast());
    each_row(midway, |_, row| writeln!(gzip, "{row}"))?;
    gzip.finish()?.flush()
}

fn read_gzip(r: &mut dyn Read) -> io::Result<Vec<String>> {
    BufReader::new(GzDecoder::new(r)).lines().collect()
}

fn write_tar(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut tar = tar::Builder::new(w);
    each_row(midway, |number, row| {
        let mut header = tar::Header::new_gnu();
        header.set_size(row.len() as u64);
        header.set_cksum();
        tar.append_data(&mut header, format!("{number}.txt"), row.as_bytes())
    })?;
    tar.into_inner()?.flush()
}

fn read_tar(r: &mut dyn Read) -> io::Result<Vec<String>> {
    let mut archive = tar::Archive::new(r);
    let rows = archive.entries()?.map(|entry| io::read_to_string(entry?)).collect::<io::Result<_>>()?;
    // Behind the last entry there is only padding.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(rows)
}

fn write_zip(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(w);
    each_row(midway, |number, row| {
        zip.start_file(format!("{number}.txt"), SimpleFileOptions::default())?;
        zip.write_all(row.as_bytes())
    })?;
    zip.finish()?.into_inner().flush()
}

fn read_zip(r: &mut dyn Read) -> io::Result<Vec<String>> {
    // What was written as a stream has its sizes behind each entry, which only the directory at the end repeats.
    let mut bytes = Vec::new();
    r.read_to_end(&mut bytes)?;
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes))?;
    (0..archive.len()).map(|index| io::read_to_string(archive.by_index(index)?)).collect()
}

fn write_zip_of_files(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (number, row) in rows().enumerate() {
        zip.start_file(format!("{number}.txt"), SimpleFileOptions::default())?;
        zip.write_all(row.as_bytes())?;
    }
    let bytes = zip.finish()?.into_inner();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    w.write_all(first)?;
    midway();
    w.write_all(second)?;
    w.flush()
}

/// Each entry reads its rest when it is dropped, by a panic too.
fn read_zip_as_stream(r: &mut dyn Read) -> io::Result<Vec<String>> {
    let mut rows = Vec::new();
    let mut stream = r;
    while let Some(entry) = read_zipfile_from_stream(&mut stream)? {
        rows.push(io::read_to_string(entry)?);
    }
    io::copy(stream, &mut io::sink())?;
    Ok(rows)
}

fn write_csv(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(w);
    each_row(midway, |number, row| csv.serialize((number, row)).map_err(cause))?;
    csv.flush()
}

fn read_csv(r: &mut dyn Read) -> io::Result<Vec<String>> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(r);
    csv.deserialize().map(|row| row.map(|(_, text): (usize, String)| text).map_err(cause)).collect()
}

/// csv's errors do not say what they came from, unless they are asked in this way.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(ErrorKind::InvalidData, format!("{other:?}")),
    }
}

fn write_lines(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut lines = BufWriter::with_capacity(10_000, w);
    each_row(midway, |_, row| writeln!(lines, "{row}"))?;
    lines.flush()
}

fn read_lines(r: &mut dyn Read) -> io::Result<Vec<String>> {
    BufReader::new(r).lines().collect()
}

fn write_json(w: &mut dyn Write, midway: Midway<'_>) -> io::Result<()> {
    let mut json = BufWriter::new(w);
    each_row(midway, |_, row| Ok(serde_json::to_writer(&mut json, row)?))?;
    json.flush()
}

fn read_json(r: &mut dyn Read) -> io::Result<Vec<String>> {
    serde_json::Deserializer::from_reader(BufReader::new(r)).into_iter().map(|row| Ok(row?)).collect()
}
