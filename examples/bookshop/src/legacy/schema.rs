//! The tables, as diesel sees them.

diesel::table! {
    /// Who wrote the books.
    authors (id) {
        /// Given by the shop.
        id -> Integer,
        /// First and last name.
        name -> Text,
    }
}

diesel::table! {
    /// What there is to buy.
    books (id) {
        /// Given by the shop.
        id -> Integer,
        /// Who wrote it.
        author_id -> Integer,
        /// As printed on the cover.
        title -> Text,
        /// The shelf on which it stands.
        subject -> Text,
        /// Year of publication.
        published -> Integer,
        /// The price printed on the cover, in cents.
        list_price_cents -> Integer,
    }
}

diesel::table! {
    /// Copies on the shop's own shelf.
    stock (book_id) {
        /// The book that is counted.
        book_id -> Integer,
        /// Never below zero.
        copies -> Integer,
    }
}

diesel::table! {
    /// What was bought, and by whom.
    orders (id) {
        /// Given by the database.
        id -> Integer,
        /// A name.
        customer -> Text,
        /// Seconds since 1970.
        placed_at -> BigInt,
        /// Sum over the lines, in cents.
        total_cents -> BigInt,
    }
}

diesel::table! {
    /// One book of an order.
    order_lines (order_id, book_id) {
        /// The order that it belongs to.
        order_id -> Integer,
        /// The book that was bought.
        book_id -> Integer,
        /// How many copies of it.
        quantity -> Integer,
        /// What one copy cost on that day, in cents.
        price_cents -> Integer,
    }
}

diesel::joinable!(books -> authors (author_id));
diesel::joinable!(stock -> books (book_id));
diesel::joinable!(order_lines -> orders (order_id));
diesel::joinable!(order_lines -> books (book_id));
diesel::allow_tables_to_appear_in_same_query!(authors, books, stock, orders, order_lines);

diesel::define_sql_function! {
    /// Lower-case text, so that a search finds the same on every database.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
