//! The report page in headless Chromium: it loads from a file, sorts, filters, and asks nobody for anything.
//!
//! A copy of the page gets a script that uses it as a reader does and writes down what it saw.

use crate::report;
use experiment::report::figures::FIGURES;
use std::{fs, path::Path, process::Command};

/// Errors, refused requests and messages are collected before anything else runs.
const WATCH: &str = r#"<script>
window.seen = [];
addEventListener("error", (event) => seen.push("error: " + event.message));
addEventListener("unhandledrejection", (event) => seen.push("rejection: " + event.reason));
addEventListener("securitypolicyviolation", (event) => seen.push("request: " + event.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...words) => seen.push(level + ": " + words.join(" "));
</script>"#;

/// What a reader does with the first table.
const USE: &str = r#"<script>
addEventListener("load", () => {
  const section = document.querySelector("section.table");
  const column = (name) => [...section.querySelectorAll("thead th")].findIndex((th) => th.textContent === name);
  const cells = (place) => [...section.querySelectorAll("tbody tr")].filter((tr) => !tr.hidden).map((tr) => tr.cells[place].textContent);
  const result = {};
  const all = section.querySelectorAll("thead th")[column("all")];
  all.querySelector("button").click();
  result.descending = [all.getAttribute("aria-sort"), cells(column("all"))];
  all.querySelector("button").click();
  result.ascending = [all.getAttribute("aria-sort"), cells(column("all"))];
  const method = section.querySelectorAll("thead th")[column("method")];
  method.querySelector("button").click();
  result.named = [all.getAttribute("aria-sort"), method.getAttribute("aria-sort"), cells(column("method"))];
  const input = section.querySelector("input");
  input.value = "LORT";
  input.dispatchEvent(new Event("input"));
  result.filtered = [section.querySelector("output").textContent, cells(column("method"))];
  result.links = [...document.querySelectorAll("nav a")].every((a) => document.querySelector(a.getAttribute("href")));
  result.labels = [...document.querySelectorAll("[aria-labelledby]")].every((e) => document.getElementById(e.getAttribute("aria-labelledby")));
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  result.ids = new Set(ids).size === ids.length;
  result.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  result.seen = seen;
  const out = document.createElement("pre");
  out.id = "result";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
});
</script>"#;

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// The document after its scripts have run.
fn loaded(browser: &str, page: &Path, home: &Path) -> String {
    let output = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", home.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a reader with a browser sees: `html` with `script`, which writes its `result`.
fn seen(browser: &str, html: &str, script: &str, folder: &Path) -> serde_json::Value {
    let page = folder.join("watched.html");
    let html = html.replacen("<meta charset", &format!("{WATCH}<meta charset"), 1);
    fs::write(&page, html.replacen("</body>", &format!("{script}</body>"), 1)).unwrap();
    let dom = loaded(browser, &page, &folder.join("home"));
    let result = dom.split_once("<pre id=\"result\">").unwrap_or_else(|| panic!("no result in {dom}")).1;
    let result = result.split_once("</pre>").unwrap().0.replace("&amp;", "&");
    serde_json::from_str(&result).unwrap()
}

#[test]
fn the_page_sorts_filters_and_asks_nobody_for_anything_in_a_browser() {
    let Some(browser) = chromium() else {
        println!("skipped: no Chromium here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (runs, page) = (folder.path().join("runs"), folder.path().join("page.html"));
    report::write(&runs, true);
    let output = report::report(&runs, &["--select", "last", "--out", page.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let result = seen(browser, &fs::read_to_string(&page).unwrap(), USE, folder.path());
    insta::assert_snapshot!(serde_json::to_string_pretty(&result).unwrap(), @r#"
    {
      "descending": [
        "descending",
        [
          "61.00 ± 1.41",
          "47.00 ± 2.83",
          "41.00 ± 1.41"
        ]
      ],
      "ascending": [
        "ascending",
        [
          "41.00 ± 1.41",
          "47.00 ± 2.83",
          "61.00 ± 1.41"
        ]
      ],
      "named": [
        "none",
        "ascending",
        [
          "ce",
          "lort",
          "lort"
        ]
      ],
      "filtered": [
        "2 of 3 rows",
        [
          "lort",
          "lort"
        ]
      ],
      "links": true,
      "labels": true,
      "ids": true,
      "requests": [],
      "seen": []
    }
    "#);
}

/// What paper and screen show of runs and figures; the rules for paper are made those of the screen.
const LOOK: &str = r#"<script>
addEventListener("load", () => {
  const cell = document.querySelector("td.runs");
  const drawings = [...document.querySelectorAll("figure svg")];
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  const result = {
    folded: getComputedStyle(cell.querySelector("details")).display,
    ids: getComputedStyle(cell, "::after").content,
    runs: cell.querySelector("pre").textContent,
    drawings: drawings.length,
    headings: drawings.map((svg) => document.getElementById(svg.getAttribute("aria-labelledby")).textContent),
    unique: new Set(ids).size === ids.length,
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
    seen,
  };
  const out = document.createElement("pre");
  out.id = "result";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
});
</script>"#;

#[test]
fn figures_are_headed_and_paper_has_the_run_ids() {
    let Some(browser) = chromium() else {
        println!("skipped: no Chromium here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (runs, page) = (folder.path().join("runs"), folder.path().join("page.html"));
    crate::figures::write(&runs);
    let output = report::report(&runs, &["--out", page.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let html = fs::read_to_string(&page).unwrap();
    let on_screen = seen(browser, &html, LOOK, folder.path());
    assert_eq!((&on_screen["folded"], &on_screen["ids"]), (&"block".into(), &"none".into()));
    let on_paper = seen(browser, &html.replace("@media print", "@media all"), LOOK, folder.path());
    assert_eq!(on_paper["folded"], "none");
    let ids = on_paper["ids"].as_str().unwrap().trim_matches('"');
    let runs = on_paper["runs"].as_str().unwrap();
    assert_eq!(ids.split(' ').count(), 2, "{ids}");
    assert!(ids.split(' ').all(|id| id.len() == 12 && runs.contains(id)), "{ids}: {runs}");
    for result in [on_screen, on_paper] {
        assert_eq!(result["drawings"], FIGURES.len());
        assert_eq!(
            result["headings"][0],
            "Fig. 1: Distributions of positive and negative logits, many against few"
        );
        assert_eq!(
            (&result["unique"], &result["requests"], &result["seen"]),
            (&true.into(), &serde_json::json!([]), &serde_json::json!([]))
        );
    }
}
