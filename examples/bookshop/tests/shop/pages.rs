//! What the pages show.

use crate::harness::TestShop;

#[tokio::test]
async fn the_front_page_counts_and_lists() {
    let shop = TestShop::with_quick_supplier().await;
    let page = shop.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let gardening = r#"<a href="/search?q=Gardening">Gardening</a> <span class="soft">60</span>"#;
    assert!(page.body.contains(gardening), "{}", page.body);
    assert_eq!(page.body.matches(" on the shelf</span>").count(), 8);
    assert_eq!(shop.get("/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn a_search_finds_titles_authors_and_subjects_in_any_case() {
    let shop = TestShop::with_quick_supplier().await;
    for q in ["LIGHTHOUSE", "abendroth", "Gardening", "o'connor"] {
        let found = shop.get(&format!("/api/books?q={q}")).await.json();
        let (total, books) = (found["total"].as_i64(), found["books"].as_array());
        let books = books.expect("a list");
        assert!(total.is_some_and(|total| total >= 1), "{q}: {found}");
        assert!((1..=20).contains(&books.len()), "{q}: {found}");
        for book in books {
            let text = format!("{} {} {}", book["title"], book["author"], book["subject"]);
            let text = text.to_lowercase();
            assert!(text.contains(&q.to_lowercase()), "{q}: {book}");
        }
    }
    let everything = shop.get("/api/books").await.json();
    assert_eq!(everything["total"], 360);
}

#[tokio::test]
async fn wildcards_stand_for_themselves() {
    let shop = TestShop::with_quick_supplier().await;
    for q in ["%25", "_", "!", "%5C"] {
        let found = shop.get(&format!("/api/books?q={q}")).await.json();
        assert_eq!(found["total"], 0, "{q}: {found}");
    }
    let found = shop.get("/api/books?q=%26").await.json();
    assert!(found["total"].as_i64() > Some(0), "{found}");
}

#[tokio::test]
async fn what_the_customer_typed_is_escaped() {
    let shop = TestShop::with_quick_supplier().await;
    let page = shop.get("/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script"), "{}", page.body);
    let escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;&#x2f;script&gt;";
    assert_eq!(page.body.matches(escaped).count(), 3, "{}", page.body);

    let page = shop.get("/%3Cscript%3E").await;
    assert!(!page.body.contains("<script"), "{}", page.body);

    let page = shop.get("/search?q=Recipes").await;
    assert!(page.body.contains(" &amp; "), "titles are escaped, too");
}

#[tokio::test]
async fn functions_of_the_template_query_while_it_renders() {
    let shop = TestShop::with_quick_supplier().await;
    let book = shop.get("/api/books/7").await.json();
    let page = shop.get("/books/7").await;
    assert_eq!(page.status, 200);

    // quote() asks the supplier.
    let cents = book["offer"]["price_cents"].as_i64().expect("a price");
    let price = format!("€ {}.{:02}", cents / 100, cents % 100);
    assert!(page.body.contains(&price), "{}", page.body);
    let available = format!("{} in our supplier's warehouse", book["offer"]["available"]);
    assert!(page.body.contains(&available), "{}", page.body);
    // copies() asks the database, and sees what was sold meanwhile.
    let copies = shop.rows().copies(7);
    assert!(page.body.contains(&format!("{copies} on our shelf")));
    let form = "book_id=7&quantity=1&customer=Ada";
    shop.post_text("/orders", "application/x-www-form-urlencoded", form).await;
    let page = shop.get("/books/7").await;
    assert!(page.body.contains(&format!("{} on our shelf", copies - 1)));
    // related() asks the database, and the template loops over its answer.
    let (_, related) = page.body.split_once("<h2>More by").expect("a list");
    assert_eq!(related.matches(r#"<a href="/books/"#).count(), 4);
    assert!(!related.contains(r#"<a href="/books/7">"#));
}

#[tokio::test]
async fn a_book_that_is_sold_out_has_no_form() {
    let shop = TestShop::with_quick_supplier().await;
    let page = shop.get("/books/10").await;
    assert!(page.body.contains("Sold out."), "{}", page.body);
    assert!(!page.body.contains(r#"method="post""#), "{}", page.body);
}
