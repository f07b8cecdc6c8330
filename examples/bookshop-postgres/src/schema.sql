CREATE TABLE authors (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE books (
    id               INTEGER PRIMARY KEY,
    author_id        INTEGER NOT NULL REFERENCES authors (id),
    title            TEXT NOT NULL,
    subject          TEXT NOT NULL,
    published        INTEGER NOT NULL,
    list_price_cents INTEGER NOT NULL
);

CREATE TABLE stock (
    book_id INTEGER PRIMARY KEY REFERENCES books (id),
    copies  INTEGER NOT NULL CHECK (copies >= 0)
);

CREATE TABLE orders (
    id          INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer    TEXT NOT NULL,
    placed_at   BIGINT NOT NULL,
    total_cents BIGINT NOT NULL
);

CREATE TABLE order_lines (
    order_id    INTEGER NOT NULL REFERENCES orders (id),
    book_id     INTEGER NOT NULL REFERENCES books (id),
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, book_id)
);

CREATE INDEX books_by_author ON books (author_id);
