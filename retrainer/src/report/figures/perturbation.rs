//! The perturbation effect of Proposition 3: measured against its closed form.

use super::{
    Figure, FigureInput, FigureKind,
    axes::{Grid, Scale, legend},
    input::series,
};
use shared::Shot;

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "fig3",
    about: "measured ln E[exp(Δ)] of every class against σ²/2, the closed form of Proposition 3",
    build: perturbation,
};

fn perturbation(input: &FigureInput<'_>) -> Option<Figure> {
    let class_counts = input.class_counts.as_ref()?;
    let panels: Vec<_> = input
        .featured()
        .into_iter()
        .filter_map(|method| {
            let measured = method.column(|per_class| &per_class.log_perturbation);
            let magnitude = method.column(|per_class| &per_class.logits_magnitude);
            let regularized = method.column(|per_class| &per_class.regularized_std_pos);
            let points: Vec<_> = (0..)
                .zip(class_counts.counts())
                .filter_map(|(class, &count): (usize, _)| {
                    let get = |column: &[Option<f64>]| column.get(class).copied().flatten();
                    let std = get(&regularized)? * get(&magnitude)?;
                    Some((class, count, std * std / 2.0, get(&measured)?))
                })
                .collect();
            (!points.is_empty()).then_some((method.heading(), points))
        })
        .collect();
    if panels.is_empty() {
        return None;
    }
    let grid = Grid { columns: 4, width: 170.0, height: 170.0 };
    let above = 24.0;
    let mut svg = grid.drawing(panels.len(), above);
    legend(&mut svg, &Shot::ALL.map(|shot| (series(shot), shot.name())));
    for (index, (heading, points)) in panels.iter().enumerate() {
        let values = || points.iter().flat_map(|point| [point.2, point.3]).chain([0.0]);
        let scale = Scale::linear(values(), 4);
        let panel = grid.panel(index, above, scale.clone(), scale);
        panel.frame(
            &mut svg,
            heading,
            "closed form σ²/2",
            if index % 4 == 0 { "measured ln E[exp(Δ)]" } else { "" },
        );
        let end = values().fold(0.0, f64::max);
        svg.path("guide", &[panel.at(0.0, 0.0), panel.at(end, end)]);
        for &(class, count, closed, measured) in points {
            let tip =
                format!("class {class} ({count} training samples): measured {measured:.3}, σ²/2 {closed:.3}");
            svg.circle(&format!("dot s{}", series(Shot::of(count))), panel.at(closed, measured), 2.6, &tip);
        }
    }
    let title = "Perturbation of the logits: measured against Proposition 3";
    let caption = format!(
        "Each point is a class: ln E[exp(z − E z)] over the logits of its test samples, against σ²/2, which it is for \
         normal logits; on the dashed line both agree. Head and tail of one imbalanced \
         data set are compared: where their deviations differ, so does the effect of perturbations; after the last epoch; {}",
        input.how()
    );
    Some(Figure { name: "fig3", title: title.to_owned(), svg: svg.finish("fig3", title, &caption), caption })
}
