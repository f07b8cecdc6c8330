//! The names in the README's table are in the files that they link.

use std::{fs, path::Path};

#[test]
fn each_recipe_is_where_the_readme_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(directory.join("README.md")).unwrap();
    let links = readme.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split("[`").skip(1));
    let mut count = 0;
    for link in links {
        let (name, rest) = link.split_once("`](").unwrap();
        let file = fs::read_to_string(directory.join(rest.split_once(')').unwrap().0)).unwrap();
        let is_file = name.ends_with(".rs");
        let is_there = ["fn ", "struct "].iter().any(|kind| file.contains(&format!("{kind}{name}")));
        assert!(is_file || is_there || file.contains(&format!("{name} {{")), "{link}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
