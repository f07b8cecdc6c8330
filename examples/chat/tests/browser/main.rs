//! The page, in two tabs of a real browser.

mod chromium;
#[path = "../harness/mod.rs"]
mod harness;

use std::env;

use chromium::{Chromium, Tab};
use harness::{Server, on_one_thread};

/// Opens the page and comes in.
async fn come_in(browser: &mut Chromium, server: &Server, name: &str) -> Tab {
    let tab = browser.open(&format!("http://{}/", server.address)).await;
    browser.until(&tab, "document.querySelector('#login') && document.readyState === 'complete'").await;
    submit(browser, &tab, "login", "name", name).await;
    tab
}

/// Fills in a form and sends it.
async fn submit(browser: &mut Chromium, tab: &Tab, form: &str, input: &str, text: &str) {
    let text = serde_json::to_string(text).unwrap();
    browser.run(tab, &format!("at('{input}').value = {text}; at('{form}').requestSubmit()")).await;
}

/// Waits until one of the lines has this text, and perhaps a name above it, in this class.
async fn sees(browser: &mut Chromium, tab: &Tab, class: &str, text: &str) {
    let [class, text] = [class, text].map(|text| serde_json::to_string(text).unwrap());
    let line =
        format!("[...at('messages').children].some(li => li.className === {class} && li.textContent === {text})");
    browser.until(tab, &line).await;
}

#[test]
fn two_tabs_see_each_others_messages() {
    on_one_thread(async {
        let Some(mut chromium) = Chromium::start().await else {
            assert!(env::var_os("CI").is_none(), "there is no Chromium: install Debian's package `chromium`");
            println!("skipped: there is no Chromium");
            return;
        };
        let browser = &mut chromium;
        let server = Server::start().await;
        let ada = come_in(browser, &server, "Ada").await;
        browser.until(&ada, "at('status').textContent === 'here as Ada'").await;

        // A name that is taken, and then another one.
        let alan = come_in(browser, &server, "Ada").await;
        browser.until(&alan, "at('status').textContent.includes('somebody of this name is here')").await;
        submit(browser, &alan, "login", "name", "Alan").await;
        browser.until(&alan, "at('status').textContent === 'here as Alan'").await;
        sees(browser, &ada, "note", "Alan has come").await;

        submit(browser, &ada, "talk", "text", "Good morning, Alan.").await;
        submit(browser, &alan, "talk", "text", "<b>Good morning</b>, Ada & all.").await;
        sees(browser, &ada, "mine", "Good morning, Alan.").await;
        sees(browser, &alan, "", "AdaGood morning, Alan.").await;
        sees(browser, &alan, "mine", "<b>Good morning</b>, Ada & all.").await;
        sees(browser, &ada, "", "Alan<b>Good morning</b>, Ada & all.").await;
        browser.until(&alan, "at('members').textContent === '2 here: Ada, Alan'").await;

        // What is too long for the room is not lost silently.
        submit(browser, &alan, "talk", "text", &"x".repeat(1001)).await;
        sees(browser, &alan, "note bad", "That was not said: it has more than 1000 characters.").await;

        // A page that is loaded again knows its name, and what was said.
        browser.reload(&alan).await;
        sees(browser, &ada, "note", "Alan has gone").await;
        browser.until(&alan, "at('status').textContent === 'here as Alan'").await;
        sees(browser, &alan, "", "AdaGood morning, Alan.").await;

        // The connection is cut, and the page comes back.
        browser.run(&alan, "socket.close()").await;
        browser.until(&alan, "at('status').textContent === 'the connection is lost, trying again in 0.5 s'").await;
        browser.until(&alan, "at('status').textContent === 'here as Alan'").await;

        server.stop.notify_one();
        browser.until(&ada, "at('status').textContent.startsWith('the server stops, trying again')").await;
        chromium.close().await;
    });
}
