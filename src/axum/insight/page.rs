//! The pages for browsers, without a script.

use std::fmt::{self, Display, Write as _};

use super::snapshot::{Layer, Snapshot, rounded, state};
use crate::{
    diagnostics::Place,
    fiber::{Listed, Shared},
};

/// The query that turns refreshing off.
pub(super) const PAUSED: &str = "paused";

/// How often the page refreshes itself, in seconds.
const REFRESH: u32 = 2;

/// Where the links of a page lead, relative to the page.
pub(super) struct Links {
    /// The overview.
    pub(super) home: String,
    /// The prefix of the other routes.
    pub(super) base: String,
}

/// Escapes the text for HTML.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

        impl fmt::Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| match c {
                    '&' => self.0.write_str("&amp;"),
                    '<' => self.0.write_str("&lt;"),
                    '>' => self.0.write_str("&gt;"),
                    '"' => self.0.write_str("&quot;"),
                    '\'' => self.0.write_str("&#39;"),
                    c => self.0.write_char(c),
                })
            }
        }

        write!(Escaping(f), "{}", self.0)
    }
}

pub(super) fn overview(snapshot: &Snapshot, links: &Links, is_paused: bool) -> String {
    let mut page = String::new();
    // Writing to a `String` does not fail.
    _ = write_overview(&mut page, snapshot, links, is_paused);
    page
}

/// The page of one fiber.
pub(super) fn backtrace(shared: &Shared, fiber: &Listed, backtrace: Option<&str>, links: &Links) -> String {
    let mut page = String::new();
    _ = write_backtrace(&mut page, shared, fiber, backtrace, links);
    page
}

pub(super) fn no_fiber(id: &str, links: &Links) -> String {
    let mut page = String::new();
    _ = write_head(&mut page, &format!("Fiber {id}"), links, "")
        .and_then(|()| writeln!(page, "</header>\n<p>It has ended, or has not waited yet.</p>"));
    page
}

fn write_head(page: &mut String, title: &str, links: &Links, head: &str) -> fmt::Result {
    let (title, home, base) = (Escaped(title), Escaped(&links.home), Escaped(&links.base));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{head}<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"{base}style.css\">\n</head>\n<body>\n<header><h1><a href=\"{home}\">Fibers</a></h1>"
    )
}

fn write_overview(page: &mut String, snapshot: &Snapshot, links: &Links, is_paused: bool) -> fmt::Result {
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n");
    write_head(page, "Fibers", links, if is_paused { "" } else { &refresh })?;
    match is_paused {
        false => write!(page, "<span class=\"soft\">refreshed every {REFRESH} s</span>")?,
        true => page.push_str("<span class=\"soft\">paused</span>"),
    }
    let base = Escaped(&links.base);
    let (query, pause) = if is_paused { ("", "Go on") } else { (PAUSED, "Pause") };
    writeln!(
        page,
        "<nav><a href=\"?{query}\">{pause}</a><a href=\"{base}json\">JSON</a><a href=\"{base}text\">Text</a></nav></header>"
    )?;
    if snapshot.layers.is_empty() {
        page.push_str("<p>There are no layers.</p>\n");
    }
    snapshot.layers.iter().try_for_each(|layer| write_layer(page, layer, links))
}

fn write_layer(page: &mut String, layer: &Layer, links: &Links) -> fmt::Result {
    page.push_str("<section>\n<h2>");
    match layer.name() {
        Some(name) => write!(page, "{}", Escaped(name))?,
        None => page.push_str("A layer without a name"),
    }
    if layer.is_closed() {
        page.push_str(" <small>closed: it refuses new calls</small>");
    }
    page.push_str("</h2>\n<dl>\n");
    for (name, number) in layer.counters() {
        let class = match name {
            _ if number == 0 => " class=\"zero\"",
            "abandoned" => " class=\"gone\"",
            _ => "",
        };
        write!(page, "<div{class}><dt>{}</dt><dd>{number}", name.replace('_', " "))?;
        match layer.max_fibers() {
            Some(max) if name == "live" => write!(page, " <small>of {max}</small>")?,
            _ => {}
        }
        page.push_str("</dd></div>\n");
    }
    page.push_str("</dl>\n");
    let overview = &layer.overview;
    if !overview.places.is_empty() {
        page.push_str(
            "<table>\n<tr><th class=\"number\">fibers</th><th>wait at</th><th>began</th><th>backtraces of the oldest</th></tr>\n",
        );
        overview.places.iter().try_for_each(|place| write_place(page, place, links))?;
        page.push_str("</table>\n");
    }
    match overview.others {
        (0, _) => {}
        (places, fibers) => writeln!(page, "<p>There are {places} more places, with {fibers} fibers.</p>")?,
    }
    match (overview.unlisted, overview.places.len()) {
        (0, 0) => page.push_str("<p class=\"soft\">There are no fibers.</p>\n"),
        (0, _) => {}
        (unlisted, _) => writeln!(page, "<p class=\"soft\">{unlisted} more run and have not waited yet.</p>")?,
    }
    page.push_str("</section>\n");
    Ok(())
}

fn write_place(page: &mut String, place: &Place, links: &Links) -> fmt::Result {
    write!(page, "<tr><td class=\"number\">{}</td><td><code>", place.fibers)?;
    match place.waits_at {
        Some(location) => write!(page, "{}", Escaped(location))?,
        None => page.push_str("an unknown place"),
    }
    write!(page, "</code><small>in <code>{}</code></small>", Escaped(place.function))?;
    if place.is_running {
        write!(page, "<small>{} now; waited there last</small>", state(place))?;
    }
    page.push_str("</td><td>");
    match place.ages() {
        Some((least, greatest)) if place.fibers > 1 => {
            write!(page, "{} to {} ago", rounded(least), rounded(greatest))?;
        }
        Some((age, _)) => write!(page, "{} ago", rounded(age))?,
        None => page.push_str("at an unknown time"),
    }
    if let Some((_, first)) = place.abandoned() {
        let callers = if place.fibers > 1 { "callers gone, the first" } else { "caller gone" };
        write!(page, "<small class=\"gone\">{callers} {} ago</small>", rounded(first))?;
    }
    page.push_str("</td><td>\n");
    for fiber in &place.oldest {
        let (base, id, thread) = (Escaped(&links.base), fiber.fiber, Escaped(fiber.thread));
        writeln!(page, "<a href=\"{base}backtrace/{id}\" title=\"{thread}\">{id}</a>")?;
    }
    match place.fibers - place.oldest.len() {
        0 => {}
        more => writeln!(page, "<small>and {more} more</small>")?,
    }
    page.push_str("</td></tr>\n");
    Ok(())
}

fn write_backtrace(
    page: &mut String,
    shared: &Shared,
    fiber: &Listed,
    backtrace: Option<&str>,
    links: &Links,
) -> fmt::Result {
    write_head(page, &format!("Fiber {}", fiber.fiber), links, "")?;
    let service = Escaped(shared.name_or(fiber.label));
    write!(page, "</header>\n<h2>Fiber {} of {service}</h2>\n<p>", fiber.fiber)?;
    page.push_str(if fiber.is_running { "It runs, and waited last" } else { "It waits" });
    if let Some(location) = fiber.waits_at {
        write!(page, " at <code>{}</code>", Escaped(location))?;
    }
    write!(page, " in <code>{}</code>, {}", Escaped(fiber.label), Escaped(fiber.thread))?;
    if let Some(age) = fiber.age {
        write!(page, ", began {} ago", rounded(age))?;
    }
    if let Some(abandoned) = fiber.abandoned {
        write!(page, "<span class=\"gone\">, caller gone {} ago</span>", rounded(abandoned))?;
    }
    page.push_str(".</p>\n");
    match backtrace {
        Some(backtrace) => writeln!(page, "<pre>{}</pre>", Escaped(backtrace)),
        None => writeln!(
            page,
            "<p>It gave no backtrace within a second: its thread is busy or blocked, its runtime is not driven, or its \
             stack is too full.</p>"
        ),
    }
}
