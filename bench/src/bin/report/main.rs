//! Writes `BENCHMARKS.md` and its charts from the results of the benches, as far as they are there.

mod capacity;
mod crowd;
mod estimates;
mod goals;
mod machine;
mod overhead;
mod servers;
mod svg;
mod table;

use std::{error::Error, fs, path::Path};

use bench::results;

use self::{capacity::Capacity, crowd::Crowd, estimates::Estimates, servers::Servers};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const HEAD: &str = "# Benchmarks

Made by `bench/measure`, not edited by hand. Look at the ratios, which come from one run side by side, rather than at
the absolute times, which are those of one machine on one day.
";

fn main() -> Result<()> {
    let target = results::target();
    let charts = results::workspace().join("docs/charts");
    fs::create_dir_all(&charts)?;
    let estimates = Estimates::load(&target.join("criterion"))?;
    let servers = Servers::load(&target.join("http.json"))?;
    let capacity = Capacity::load(&target.join("capacity.json"))?;
    let crowd = Crowd::load(&target.join("crowd.json"))?;

    let mut text = HEAD.to_owned();
    text += &machine::section()?;
    text += &goals::section(&estimates, &servers, &capacity, &crowd);
    text += &crowd.section(&charts)?;
    text += &overhead::section(&estimates, &charts)?;
    text += &servers.section(&charts)?;
    text += &capacity.section(&charts)?;
    let file = results::workspace().join("BENCHMARKS.md");
    fs::write(&file, text)?;
    println!("wrote {} and the charts in {}", file.display(), charts.display());
    Ok(())
}

/// Writes a chart; gives the line that embeds it.
fn chart(charts: &Path, name: &str, title: &str, svg: &str) -> Result<String> {
    fs::write(charts.join(name), svg)?;
    Ok(format!("\n![{title}](docs/charts/{name})\n"))
}
