//! LaTeX tables with the rules of `booktabs`, the best value of a column in bold; plain ASCII, so that every engine reads it.

use super::{
    Format, Style,
    error::ReportError,
    table::{Align, Table},
};
use files::text;
use std::fmt::Write;

pub(super) const FORMAT: Format =
    Format { name: "latex", extension: "tex", cautions: true, in_folder: true, whole: false, render };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every format")]
fn render(tables: &[Table], _: Style) -> Result<String, ReportError> {
    let mut text = "% \\usepackage{booktabs,graphicx}\n".to_owned();
    text.extend(tables.iter().map(latex));
    Ok(text)
}

fn latex(table: &Table) -> String {
    let shown: Vec<_> = table.columns.iter().enumerate().filter(|(_, column)| column.is_printed()).collect();
    let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
    let align: String =
        shown.iter().map(|(_, column)| if column.align == Align::Right { 'r' } else { 'l' }).collect();
    let mut text = "\\begin{table}\n  \\centering\n".to_owned();
    text.extend([format!("  \\caption{{{}}}\n", escaped(&table.title))]);
    text += "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n";
    text.extend([format!("  \\begin{{tabular}}{{{align}}}\n    \\toprule\n")]);
    text += &line(shown.iter().map(|(_, column)| escaped(&column.title)).collect());
    text += "    \\midrule\n";
    let best = table.best();
    for (row, cells) in table.rows.iter().enumerate() {
        let cell = |&(index, column): &(usize, _)| {
            let text = escaped(&cells.get(index).map_or(String::new(), |cell| cell.text(column)));
            if best.holds(row, index) { format!("\\textbf{{{text}}}") } else { text }
        };
        text += &line(shown.iter().map(cell).collect());
    }
    text += "    \\bottomrule\n  \\end{tabular}}\n\n  \\begin{minipage}{\\linewidth}\\footnotesize\n";
    let cautions = table.cautions.iter().map(|caution| format!("Caution: {caution}"));
    for note in table.notes.iter().cloned().chain(cautions) {
        text.extend([format!("    {}.\\par\n", escaped(&note))]);
    }
    text + "  \\end{minipage}\n\\end{table}\n"
}

/// Characters that LaTeX would take for its own, and those beyond ASCII.
fn escaped(text: &str) -> String {
    let text = text::name(text);
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        let known = match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(letter);
                continue;
            }
            '\\' => r"\textbackslash{}",
            '~' => r"\textasciitilde{}",
            '^' => r"\textasciicircum{}",
            '|' => r"\textbar{}",
            '<' => r"\textless{}",
            '>' => r"\textgreater{}",
            '"' => "''",
            '±' => r"$\pm$",
            '−' => "$-$",
            '·' => r"$\cdot$",
            '≤' => r"$\le$",
            '≥' => r"$\ge$",
            '∝' => r"$\propto$",
            'α' => r"$\alpha$",
            'β' => r"$\beta$",
            'γ' => r"$\gamma$",
            'δ' => r"$\delta$",
            'Δ' => r"$\Delta$",
            'λ' => r"$\lambda$",
            'π' => r"$\pi$",
            'ρ' => r"$\rho$",
            'σ' => r"$\sigma$",
            'τ' => r"$\tau$",
            'Σ' => r"$\Sigma$",
            '–' => "--",
            '—' => "---",
            '…' => r"\ldots{}",
            letter if letter.is_ascii() => {
                escaped.push(letter);
                continue;
            }
            // Any other letter as its number: nothing is lost, and the text still compiles.
            letter => {
                let _ = write!(escaped, "U+{:04X}", u32::from(letter));
                continue;
            }
        };
        escaped.push_str(known);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    #[test]
    fn latex_has_booktabs_rules_bold_bests_and_no_special_character_unescaped() {
        insta::assert_snapshot!(render(&[testing::table()], Style::default()).unwrap(), @r"
        % \usepackage{booktabs,graphicx}
        \begin{table}
          \centering
          \caption{caches/demo (c0ffee), select val}
          \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
          \begin{tabular}{llrrrr}
            \toprule
            method & hyper-parameters & seeds & all & magnitude & gain \\
            \midrule
            lort & delta=0.98 lr=5e-4 & 3 & \textbf{54.00 $\pm$ 1.00} & 1.38 $\pm$ 0.18 & +5.40 * \\
            a\textbar{}b, ''c'' & threshold=inf & 1 (2 diverged) & 50.00 & 0.0500 & -0.10 \\
            ce &  & diverged & - & - & - \\
            \bottomrule
          \end{tabular}}

          \begin{minipage}{\linewidth}\footnotesize
            select val: chosen by validation accuracy.\par
            Caution: 1 of 3 rows has no result.\par
          \end{minipage}
        \end{table}
        ");
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_ascii_with_balanced_braces(text in ".*") {
            let escaped = escaped(&text);
            proptest::prop_assert!(escaped.is_ascii() && !escaped.contains(|letter: char| letter.is_control()));
            let own = escaped.replace("\\{", "").replace("\\}", "");
            proptest::prop_assert_eq!(own.matches('{').count(), own.matches('}').count());
        }
    }
}
