//! Where the settings of two dumps differ, in words that a user has seen before.

use serde_json::Value;

/// What a field of the manifest is called on the command line, or in words; of what it is a digest, where it is one.
///
/// The first name that begins the field's path counts.
const NAMES: &[(&str, Name)] = &[
    (
        "dataset.root_digest",
        Name::Digest("the data set has other files, by names, labels, sizes or contents"),
    ),
    ("dataset.index_digest", Name::Digest("the training split holds other images")),
    ("dataset.skipped", Name::Option("`--skip-broken` (images that could not be read)")),
    ("dataset.name", Name::Option("`--dataset`")),
    ("dataset.subset", Name::Option("`--subset`")),
    ("dataset.imbalance_ratio", Name::Option("`--imbalance-ratio`")),
    ("dataset.n_max", Name::Option("`--n-max`")),
    ("dataset.val_per_class", Name::Option("`--val-per-class`")),
    ("train_class_counts", Name::Digest("the classes have other numbers of training images")),
    ("class_names", Name::Option("`class_names`")),
    ("dtype", Name::Option("`--dtype`")),
    ("backbone.weights_digest", Name::Digest("the backbone has other weights")),
    ("backbone.architecture", Name::Option("`--backbone`")),
    ("backbone.recipe.head_digest", Name::Digest("`--head` is another file")),
    ("backbone.layer", Name::Option("`--layer`")),
    ("backbone.pooling", Name::Option("`--pooling`")),
    ("batch_norm", Name::Option("`--batch-norm`")),
    ("transforms.batch_norm", Name::Option("`--batch-norm` (passes, `--train-batch-size`, `--seed`)")),
    ("transforms.forward", Name::Option("`--precision`")),
    ("transforms.augmented", Name::Option("`--augmented` (views, `--seed`, sizes)")),
    ("transforms", Name::Option("the transform (`--resize`, `--crop`)")),
];

#[derive(Clone, Copy)]
enum Name {
    /// Both values are shown.
    Option(&'static str),
    /// Values that tell a reader nothing.
    Digest(&'static str),
}

/// The first difference, digests last: they follow from what else differs.
pub(crate) fn first(mine: &Value, theirs: &Value) -> Option<String> {
    let mut found = Vec::new();
    collect("", mine, theirs, &mut found);
    let is_digest = |path: &str| matches!(name_of(path), Some(Name::Digest(_)));
    let (path, mine, theirs) = found.iter().min_by_key(|(path, ..)| is_digest(path))?;
    let values = format!("{} there, {} here", shortened(theirs), shortened(mine));
    Some(match name_of(path) {
        Some(Name::Digest(words)) => words.to_owned(),
        Some(Name::Option(name)) => format!("{name} is {values}"),
        None => format!("`{path}` is {values}"),
    })
}

fn name_of(path: &str) -> Option<Name> {
    NAMES.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, name)| *name)
}

type Found<'value> = (String, &'value Value, &'value Value);

fn collect<'value>(name: &str, mine: &'value Value, theirs: &'value Value, found: &mut Vec<Found<'value>>) {
    const NONE: &Value = &Value::Null;
    match (mine, theirs) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                collect(&path, left.get(key).unwrap_or(NONE), right.get(key).unwrap_or(NONE), found);
            }
        }
        _ if mine == theirs => {}
        _ => found.push((name.to_owned(), mine, theirs)),
    }
}

fn shortened(value: &Value) -> String {
    let text = if value.is_null() { "none".to_owned() } else { value.to_string() };
    if text.chars().count() <= 80 { text } else { text.chars().take(77).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_come_before_the_digests_that_follow_from_them() {
        let dump = |digest: &str, ratio: f64| json!({ "dataset": { "root_digest": digest, "imbalance_ratio": ratio } });
        assert_eq!(
            first(&dump("a", 10.0), &dump("b", 100.0)).unwrap(),
            "`--imbalance-ratio` is 100.0 there, 10.0 here"
        );
        assert_eq!(
            first(&dump("a", 10.0), &dump("b", 10.0)).unwrap(),
            "the data set has other files, by names, labels, sizes or contents"
        );
        assert_eq!(first(&dump("a", 10.0), &dump("a", 10.0)), None);
        assert_eq!(first(&json!({ "x": 1 }), &json!({})).unwrap(), "`x` is none there, 1 here");
    }
}
