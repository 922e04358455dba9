//! What a reader wants to know first: what was compared on what, how it was chosen, what was best, and where to be careful.

use super::{escaped, html_table::cautions};
use crate::{
    metrics::TOP1,
    report::{notes, results::Results},
    select::Selected,
};
use std::collections::BTreeSet;

/// The summary of all caches.
pub(super) fn summary(results: &[Results]) -> String {
    let cards: String = results.iter().map(card).collect();
    format!("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n{cards}</section>\n")
}

fn card(results: &Results) -> String {
    let rows = results.shown();
    let methods: BTreeSet<&str> = rows.iter().map(|row| row.method()).collect();
    let runs: usize = rows.iter().map(|row| row.seeds().len() + row.diverged()).sum();
    let key: String = results.cache_key.chars().take(12).collect();
    let mut lines = vec![format!("<h3>{}</h3>", escaped(&results.cache_name()))];
    if let [best, rest @ ..] = rows.as_slice()
        && let Some(line) = winner(results, best, rest)
    {
        lines.push(line);
    }
    lines.push(format!(
        "<p>Compared: {} methods, {} results of {runs} runs. <strong>Protocol <code>{}</code></strong>: {}.</p>",
        methods.len(),
        rows.len(),
        results.protocol,
        escaped(results.protocol.about()),
    ));
    lines.push(format!("<p class=\"soft\">{}Cache key <code>{key}</code>.</p>", data(results)));
    lines.push(cautions(&notes::cautions(results, &rows)));
    format!("<div class=\"card\">\n{}\n</div>\n", lines.join("\n"))
}

/// The best mean, with its interval, its gain, and whether the second one differs.
fn winner(results: &Results, best: &Selected, rest: &[&Selected]) -> Option<String> {
    let summary = best.summary(TOP1.all)?;
    let percent = |value: f64| format!("{:.2}", 100.0 * value);
    let interval = match summary.half_width_95() {
        Some(half) => format!(
            " (95 % interval {} to {}, {} seeds)",
            percent(summary.mean - half),
            percent(summary.mean + half),
            summary.n
        ),
        None => format!(" ({} run, no interval)", summary.n),
    };
    let compared = |other: &Selected, words: &str| {
        let gain = summary.mean - other.summary(TOP1.all)?.mean;
        let chance = results.evidence.chances(&[(best, other)]).first().copied().unwrap_or_default();
        let test = |over: &str, p_value: Option<f64>| match p_value {
            Some(p) if p < 0.001 => format!(", p &lt; 0.001 over {over}"),
            Some(p) => format!(", p = {p:.3} over {over}"),
            None => format!(", not tested over {over}"),
        };
        let seeds = if chance.untrained { String::new() } else { test("seeds", chance.seeds) };
        let test = seeds + &test("test images", chance.images);
        Some(format!(" {words} <code>{}</code>: {:+.2} points{test}.", escaped(other.method()), 100.0 * gain))
    };
    let baseline = results.baseline().filter(|baseline| baseline.method() != best.method());
    let gain = baseline.and_then(|baseline| compared(baseline, "Over")).unwrap_or_default();
    let next = rest.iter().find(|row| row.method() != best.method());
    let next = next.and_then(|next| compared(next, "Over the next, ")).unwrap_or_default();
    Some(format!(
        "<p class=\"winner\">Best mean accuracy: <strong><code>{}</code> {} %</strong>{interval}.</p>\n\
         <p>{}{} <span class=\"soft\">(paired t-test over seeds, paired bootstrap or McNemar's test over images; choosing the best \
         of many rows flatters it)</span></p>",
        escaped(best.method()),
        percent(summary.mean),
        gain.trim_start(),
        next,
    ))
}

/// Classes, features and batch normalisation, where the folder knows the cache.
fn data(results: &Results) -> String {
    let Some(summary) = &results.summary else { return String::new() };
    let (manifest, counts) = (summary.manifest(), summary.class_counts().counts());
    let mode = serde_json::to_value(manifest.batch_norm).unwrap_or_default();
    escaped(&format!(
        "{} classes of {} to {} training samples ({} in all), D = {}, batch normalisation in {} mode, subset {}. ",
        manifest.classes(),
        counts.iter().min().unwrap_or(&0),
        counts.iter().max().unwrap_or(&0),
        summary.class_counts().total(),
        manifest.feature_dim,
        mode.as_str().unwrap_or("unknown"),
        manifest.dataset.subset,
    ))
}

/// How to make the page and its parts again.
pub(super) fn reproduce() -> String {
    "<h2 id=\"reproduce\">Reproduce</h2>\n\
     <p>Every row lists its runs with a grid file that repeats them: the same ids, since an id is a digest of all that \
     decides the result. RUNS is the folder of run records, CACHE the feature cache.</p>\n\
     <pre>retrainer report RUNS --all --out report     # this page, every table and figure\n\
     retrainer report RUNS --format csv           # all rows, numbers unrounded\n\
     retrainer report RUNS --select best-on-test  # the usual published protocol\n</pre>\n"
        .to_owned()
}
