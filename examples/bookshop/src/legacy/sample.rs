//! The same few hundred books each time, in place of a real stock list.

use diesel::prelude::*;

use super::models::{Author, Book, Stock};
use super::schema::{authors, books, stock};
use crate::db::Conn;

/// Books that [`fill`] writes; their numbers are 1 to this.
pub const BOOKS: i32 = 360;

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Bruno", "Clara", "Dmitri", "Elena", "Farid", "Grace", "Henrik", "Ines", "Jonas", "Keiko", "Lucia"];
const LAST_NAMES: [&str; 10] = [
    "Abendroth",
    "Bellweather",
    "Castellan",
    "Dufresne",
    "Eriksen",
    "Fairbanks",
    "Galanis",
    "Hartmann",
    "Iwata",
    "O'Connor",
];
const THINGS: [&str; 15] = [
    "Lighthouse",
    "Orchard",
    "Harbour",
    "Glacier",
    "Meadow",
    "Archive",
    "Railway",
    "Garden",
    "Observatory",
    "Kitchen",
    "River",
    "Bridge",
    "Island",
    "Workshop",
    "Library",
];
const QUALITIES: [&str; 8] = ["Silent", "Forgotten", "Winter", "Northern", "Painted", "Hidden", "Last", "Crooked"];
const SUBJECTS: [&str; 6] = ["Cooking", "Fiction", "Gardening", "History", "Science", "Travel"];

/// Fills empty tables with books, their authors and some copies of each, and returns how many books.
///
/// # Errors
///
/// Fails with the database; then nothing was written.
pub fn fill(conn: &mut Conn) -> QueryResult<usize> {
    let people: Vec<Author> = (1..=60).map(author).collect();
    let titles: Vec<Book> = (1..=BOOKS).map(book).collect();
    let copies: Vec<Stock> = (1..=BOOKS).map(shelf).collect();
    conn.transaction(|conn| {
        diesel::insert_into(authors::table).values(&people).execute(conn)?;
        let written = diesel::insert_into(books::table).values(&titles).execute(conn)?;
        diesel::insert_into(stock::table).values(&copies).execute(conn)?;
        Ok(written)
    })
}

/// The price printed on the cover, in cents.
pub(crate) fn list_price_cents(book_id: i32) -> i32 {
    995 + book_id * 37 % 40 * 50
}

fn author(id: i32) -> Author {
    let (first, last) = (pick(&FIRST_NAMES, (id - 1) / 5), pick(&LAST_NAMES, id));
    Author { id, name: format!("{first} {last}") }
}

fn book(id: i32) -> Book {
    let subject = pick(&SUBJECTS, id);
    // 15 things and 8 qualities have no common factor, so no title of a subject comes twice.
    let shelf = id / 6;
    let (thing, quality) = (pick(&THINGS, shelf), pick(&QUALITIES, shelf));
    let other = pick(&THINGS, shelf + 4 + shelf / 15);
    let title = match subject {
        "Cooking" => format!("{thing} & {other}: {quality} Recipes"),
        "Fiction" => format!("The {quality} {thing}"),
        "Gardening" => format!("A {quality} {thing} in Bloom"),
        "History" => format!("A History of the {quality} {thing}"),
        "Science" => format!("How the {thing} Shaped the {quality} {other}"),
        _ => format!("From the {thing} to the {quality} {other}"),
    };
    Book {
        id,
        author_id: id * 7 % 60 + 1,
        title,
        subject: subject.to_owned(),
        published: 1960 + id * 11 % 65,
        list_price_cents: list_price_cents(id),
    }
}

/// Every tenth book is sold out.
fn shelf(book_id: i32) -> Stock {
    let copies = if book_id % 10 == 0 { 0 } else { book_id * 7 % 12 + 3 };
    Stock { book_id, copies }
}

fn pick<'a>(from: &[&'a str], index: i32) -> &'a str {
    let index = usize::try_from(index).unwrap_or_default();
    from[index % from.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_author_and_no_title_comes_twice() {
        let authors: HashSet<String> = (1..=60).map(|id| author(id).name).collect();
        assert_eq!(authors.len(), 60);
        let titles: HashSet<String> = (1..=BOOKS).map(|id| book(id).title).collect();
        assert_eq!(titles.len(), 360);
    }
}
