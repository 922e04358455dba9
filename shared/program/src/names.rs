//! Names that a user types: which one was meant.

/// How alike two names are at least, from 0 to 1, so that one is taken for the other mistyped.
const ALIKE: f64 = 0.8;

/// The known name nearest to a mistyped one, if one is near; capitals and underscores are no difference.
pub fn nearest<'known>(name: &str, known: impl IntoIterator<Item = &'known str>) -> Option<&'known str> {
    let plain = |name: &str| name.trim().to_lowercase().replace(['_', ' '], "-");
    let name = plain(name);
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        // Of several as near, the first.
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_found_and_a_strange_one_is_not() {
        let data_sets = ["cifar10", "cifar100", "inaturalist18", "folder"];
        assert_eq!(nearest("cifar-100", data_sets), Some("cifar100"));
        assert_eq!(nearest("imagenet", data_sets), None);
        let methods = ["balanced-softmax", "seesaw", "tau-norm"];
        assert_eq!(nearest("balanced-sofmax", methods), Some("balanced-softmax"));
        assert_eq!(nearest("SeeSaw", methods), Some("seesaw"));
        assert_eq!(nearest("Tau_Norm", methods), Some("tau-norm"));
        assert_eq!(nearest("decoupling", methods), None);
    }

    #[test]
    fn a_name_is_nearest_to_itself() {
        for name in ["lws", "lort", "ldam", "ldam-drw"] {
            assert_eq!(nearest(name, ["ldam-drw", "lws", "lort", "ldam"]), Some(name));
        }
    }
}
