use super::*;
use crate::{
    records::{
        RunRecord,
        testing::{accuracies, diverged, record, state, stored, validated},
    },
    select::End,
};

fn run_protocol(records: &[RunRecord], protocol: Protocol) -> Vec<Selected> {
    let runs = stored(records);
    select(&runs.iter().collect::<Vec<_>>(), protocol).unwrap()
}

/// Method, parameters and mean test accuracy.
fn rows(selected: &[Selected]) -> Vec<(&str, String, Option<f64>)> {
    let mean = |row: &Selected| row.summary(TOP1.all).map(|summary| summary.mean);
    selected.iter().map(|row| (row.method(), row.params().to_string(), mean(row))).collect()
}

#[test]
fn last_reports_every_grid_point_and_chooses_nothing() {
    let records = [
        record("lort", r#"{"delta":0.9}"#, 0, 0.5),
        record("lort", r#"{"delta":0.98}"#, 1, 0.75),
        record("lort", r#"{"delta":0.98}"#, 0, 0.25),
        record("ce", "{}", 0, 0.4),
    ];
    let selected = run_protocol(&records, Protocol::Last);
    let expected = [("ce", "", 0.4), ("lort", "delta=0.9", 0.5), ("lort", "delta=0.98", 0.5)];
    assert_eq!(
        rows(&selected),
        expected.map(|(method, params, mean)| (method, params.to_owned(), Some(mean)))
    );
    assert!(selected.iter().all(|row| row.edges().is_empty() && row.points() == 1));
    assert_eq!(
        selected[2].seeds().iter().map(|seed| (seed.seed, seed.epoch)).collect::<Vec<_>>(),
        [(0, 20), (1, 20)]
    );
}

#[test]
fn val_chooses_by_the_mean_validation_score_and_never_by_test() {
    let records = [
        validated("lort", r#"{"delta":0.9}"#, 0, 0.6, 0.1),
        validated("lort", r#"{"delta":0.9}"#, 1, 0.4, 0.2),
        validated("lort", r#"{"delta":0.98}"#, 0, 0.7, 0.9),
        validated("lort", r#"{"delta":0.98}"#, 1, 0.2, 0.9),
    ];
    let selected = run_protocol(&records, Protocol::Val);
    assert_eq!(rows(&selected), [("lort", "delta=0.9".to_owned(), Some(f64::midpoint(0.1, 0.2)))]);
    assert_eq!((selected[0].val(), selected[0].points()), (Some(0.5), 2));
    assert_eq!(selected[0].seeds()[0].epoch, 5);
}

#[test]
fn best_on_test_chooses_the_best_epoch_and_point_by_test() {
    let mut lucky = record("lort", r#"{"delta":0.9}"#, 0, 0.2);
    lucky.metrics.insert(Protocol::BestOnTest, state(7, None, accuracies([0.8; 4])));
    let selected = run_protocol(&[lucky, record("lort", r#"{"delta":0.98}"#, 0, 0.5)], Protocol::BestOnTest);
    assert_eq!(rows(&selected), [("lort", "delta=0.9".to_owned(), Some(0.8))]);
    assert_eq!((selected[0].seeds()[0].epoch, selected[0].protocol()), (7, Protocol::BestOnTest));
}

#[test]
fn a_protocol_that_the_sweep_did_not_record_is_an_error_and_not_the_last_epoch() {
    let mut bare = record("ce", "{}", 0, 0.5);
    bare.metrics = [(Protocol::Last, state(20, Some(0.4), accuracies([0.5; 4])))].into();
    let runs = stored(&[bare, validated("lort", "{}", 0, 0.5, 0.5)]);
    let runs: Vec<_> = runs.iter().collect();
    let message = |protocol| {
        let error = select(&runs, protocol).unwrap_err();
        format!("{error} ({})", error.hint().unwrap())
    };
    insta::assert_snapshot!(message(Protocol::Val), @"1 of 2 finished runs on the cache `caches/cifar100-lt` have no state for `val`, for example one of `ce` (run the sweep again with `--select-by top1`: only what is missing is done; or use `--select last`)");
    assert!(message(Protocol::BestOnTest).starts_with(
        "2 of 2 finished runs on the cache `caches/cifar100-lt` have no state for `best-on-test`"
    ));
    assert!(select(&runs, Protocol::Last).is_ok());
}

/// Of two settings one has the higher accuracy and the other the lower NLL, each at an epoch of its own.
#[test]
fn nll_chooses_the_lowest_and_accuracy_the_highest() {
    let run = |lr: &str, top1: f64, nll: f64| {
        let mut run = validated("ce", &format!(r#"{{"lr":{lr}}}"#), 0, top1, 0.5);
        let mut by_nll = state(3, Some(0.1), accuracies([0.25; 4]));
        by_nll.val.insert(Score::Nll, nll);
        run.metrics.insert(Protocol::ValNll, by_nll);
        run
    };
    let records = [run("0.1", 0.6, 1.5), run("0.2", 0.4, 0.75), run("0.3", 0.5, 0.75)];
    let chosen = |protocol| {
        let selected = run_protocol(&records, protocol).remove(0);
        (selected.params().to_string(), selected.seeds()[0].epoch, selected.val())
    };
    assert_eq!(chosen(Protocol::Val), ("lr=0.1".to_owned(), 5, Some(0.6)));
    // Of equals the first.
    assert_eq!(chosen(Protocol::ValNll), ("lr=0.2".to_owned(), 3, Some(0.75)));
    assert_eq!((Protocol::Last.val_score(), Protocol::ValNll.val_score()), (Score::Top1, Score::Nll));
}

#[test]
fn records_of_older_programs_say_that_they_have_no_state_by_nll() {
    let runs = stored(&[validated("ce", "{}", 0, 0.5, 0.5)]);
    let error = select(&[&runs[0]], Protocol::ValNll).unwrap_err();
    let told = format!("{error} ({})", error.hint().unwrap());
    assert_eq!(
        told,
        "1 of 1 finished runs on the cache `caches/cifar100-lt` have no state for `val-nll`, for example one of `ce` (run the sweep again with \
         `--select-by nll`: only what is missing is done; or use `--select last`)"
    );
}

#[test]
fn equal_scores_choose_the_first_point_in_numeric_order() {
    let point = |lr: &str| validated("ce", &format!(r#"{{"lr":{lr}}}"#), 0, 0.5, 0.5);
    let selected = run_protocol(&[point("0.1"), point("1e-5"), point("0.01")], Protocol::Val);
    assert_eq!(selected[0].params().to_string(), "lr=1e-5");
}

#[test]
fn equal_counts_are_equal_scores_however_sums_are_rounded() {
    // 900 of 2,000 validation samples; as f64, as f64 of an f32 sum, and as a mean of seeds with 898 and 902.
    let point = |lr: &str, seed, val| validated("ce", &format!(r#"{{"lr":{lr}}}"#), seed, val, 0.5);
    let records = [
        point("0.1", 0, 0.45),
        point("0.1", 1, 0.45),
        point("0.2", 0, f64::from(0.45_f32 * 100.0) / 100.0 + 2e-8),
        point("0.2", 1, 0.45),
        point("0.3", 0, 0.449),
        point("0.3", 1, 0.451_000_000_000_000_1),
    ];
    assert_eq!(run_protocol(&records, Protocol::Val)[0].params().to_string(), "lr=0.1");
    // One sample more of one seed is more.
    let more = [&records[..], &[point("0.4", 0, 0.4505), point("0.4", 1, 0.45)]].concat();
    assert_eq!(run_protocol(&more, Protocol::Val)[0].params().to_string(), "lr=0.4");
}

#[test]
fn what_the_last_epoch_gives_stands_beside_a_choice() {
    let selected = run_protocol(&[validated("ce", "{}", 0, 0.5, 0.75)], Protocol::Val);
    assert_eq!(selected[0].last_epoch().map(|summary| summary.mean), Some(0.0));
    assert!(!selected[0].untrained());
}

#[test]
fn a_point_with_a_diverged_seed_is_chosen_only_when_all_have_one() {
    let (low, high) = (r#"{"lr":0.1}"#, r#"{"lr":1.0}"#);
    let wild = [validated("ce", high, 0, 0.9, 0.9), diverged("ce", high, 1)];
    let mut records = wild.to_vec();
    records.push(validated("ce", low, 0, 0.3, 0.3));
    assert_eq!(rows(&run_protocol(&records, Protocol::Val))[0].1, "lr=0.1");
    let selected = run_protocol(&wild, Protocol::Val);
    assert_eq!((selected[0].seeds().len(), selected[0].diverged()), (1, 1));
    let selected = run_protocol(&[diverged("ce", low, 0), diverged("ce", high, 0)], Protocol::Val);
    assert_eq!((selected[0].summary(TOP1.all), selected[0].diverged()), (None, 1));
}

#[test]
fn a_choice_at_the_end_of_an_axis_is_an_edge() {
    let point = |delta: f64, wd: f64, lr: f64, val: f64| {
        validated(
            "lort",
            &format!(r#"{{"delta":{delta},"weight_decay":{wd},"lr":{lr},"epochs":20}}"#),
            0,
            val,
            0.5,
        )
    };
    let records = [
        point(0.9, 0.0, 0.1, 0.2),
        point(0.95, 0.1, 0.2, 0.1),
        point(0.98, 0.0, 0.1, 0.6),
        point(0.98, 0.0, 0.05, 0.2),
    ];
    let edges = run_protocol(&records, Protocol::Val)[0].edges().to_vec();
    assert_eq!(edges, [Edge { param: "delta".to_owned(), value: 0.98, end: End::Highest, values: 3 }]);
}

#[test]
fn the_default_is_val_only_where_every_finished_run_has_a_validation_score() {
    let mut runs = stored(&[validated("ce", "{}", 0, 0.5, 0.5), diverged("ce", "{}", 1)]);
    assert_eq!(Protocol::default_for(&runs.iter().collect::<Vec<_>>()), Protocol::Val);
    runs.extend(stored(&[record("lort", "{}", 0, 0.5)]));
    let runs: Vec<_> = runs.iter().collect();
    assert_eq!(Protocol::default_for(&runs), Protocol::Last);
    assert_eq!(Protocol::default_for(&[]), Protocol::Last);
    let error = select(&runs, Protocol::Val).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 2 finished runs on the cache `caches/cifar100-lt` have no validation score, for example one of `lort`"
    );
}

#[test]
fn paired_differences_use_the_seeds_that_both_have() {
    let records = [
        record("ce", "{}", 0, 0.25),
        record("ce", "{}", 1, 0.5),
        record("lort", "{}", 1, 0.75),
        record("lort", "{}", 2, 1.0),
    ];
    let selected = run_protocol(&records, Protocol::Last);
    assert_eq!(selected[1].paired_differences(&selected[0], TOP1.all), [0.25]);
}

#[test]
fn an_untrained_head_stands_beside_every_seed() {
    let mut untrained = record("stage1", "{}", 0, 0.5);
    untrained.metrics.insert(Protocol::Last, state(0, None, accuracies([0.5; 4])));
    let records = [record("lort", "{}", 0, 0.75), record("lort", "{}", 1, 1.0), untrained];
    let selected = run_protocol(&records, Protocol::Last);
    assert_eq!(selected[0].paired_differences(&selected[1], TOP1.all), [0.25, 0.5]);
    assert_eq!(selected[1].paired_differences(&selected[0], TOP1.all), [-0.25, -0.5]);
    assert_eq!(selected[1].paired_differences(&selected[1], TOP1.all), [0.0]);
}

#[test]
fn each_precision_has_a_result_of_its_own_under_every_protocol() {
    let bf16 = r#"{"precision":"bf16"}"#;
    let records = [validated("ce", bf16, 0, 0.9, 0.5), validated("ce", "{}", 0, 0.4, 0.25)];
    let expected = [("ce", String::new(), Some(0.25)), ("ce", "precision=bf16".to_owned(), Some(0.5))];
    let selected = run_protocol(&records, Protocol::Val);
    assert_eq!(rows(&selected), expected);
    assert!(selected.iter().all(|row| row.points() == 1));
    assert_eq!(run_protocol(&records, Protocol::Last).len(), 2);
}

#[test]
fn a_seed_counts_once_under_however_many_ids() {
    let again = |run: RunRecord, id: &str| RunRecord { run_id: id.to_owned(), ..run };
    let records = [
        record("ce", "{}", 0, 0.25),
        again(record("ce", "{}", 0, 0.75), "00000000000000000000000000000001"),
        diverged("ce", "{}", 1),
        again(record("ce", "{}", 1, 0.5), "00000000000000000000000000000002"),
    ];
    let selected = run_protocol(&records, Protocol::Last);
    let values: Vec<_> = selected[0].seeds().iter().map(|seed| seed.values.get(TOP1.all)).collect();
    assert_eq!(values, [Some(0.25), Some(0.5)]);
    assert_eq!((selected[0].diverged(), selected[0].repeated_runs()), (0, 2));
}

#[test]
fn a_metric_that_some_seeds_lack_has_no_mean() {
    let with = |seed, top5: Option<f64>| {
        let mut one = record("lort", "{}", seed, 0.5);
        let mut values = accuracies([0.5; 4]);
        values.set(crate::metrics::TOP5.all, top5);
        one.metrics.insert(Protocol::Last, state(20, None, values));
        one
    };
    let selected = run_protocol(&[with(0, Some(0.75)), with(1, None)], Protocol::Last);
    assert_eq!(selected[0].summary(crate::metrics::TOP5.all), None);
    assert_eq!(selected[0].summary(TOP1.all).unwrap().mean, 0.5);
}
