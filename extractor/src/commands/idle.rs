//! Arguments of `dump` that would change nothing, or ask for another network than the one that is there.

use crate::{
    ExtractError,
    cli::{BatchNormArg, DumpArgs},
    stage1::Recipe,
};

/// Refuses settings of training for a backbone that is there, and those of a batch that nothing normalises.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] that names the argument.
pub(super) fn refuse(args: &DumpArgs) -> Result<(), ExtractError> {
    let (source, takes): (_, &[&str]) = match (&args.checkpoint, &args.weights, &args.torchscript) {
        // The checkpoint's own may be said again.
        (Some(_), ..) => ("--checkpoint", &["--backbone", "--width"]),
        (_, Some(_), _) => ("--weights", &["--backbone", "--width", "--preset"]),
        (_, _, Some(_)) => ("--torchscript", &[]),
        (None, None, None) => return Ok(()),
    };
    let normalises = args.batch_norm == BatchNormArg::Train;
    // A preset has a batch size, too.
    let matters = |name: &str| takes.contains(&name) || (name == "--preset" && normalises);
    let expected = format!("none with `{source}`");
    if let Some(name) = args.recipe.given().into_iter().find(|name| !matters(name)) {
        let what = match name {
            "--backbone" | "--width" => "the network of a TorchScript module is in its file",
            _ => "nothing is trained where a backbone is given",
        };
        return Err(idle(name, expected, format!("leave it out: {what}")));
    }
    if args.train_batch_size.is_some() && !normalises {
        let expected = format!("{expected} and `--batch-norm eval`");
        let hint = "leave it out, or give `--batch-norm train`; `--batch-size` is that of a forward pass";
        return Err(idle("--train-batch-size", expected, hint.to_owned()));
    }
    Ok(())
}

fn idle(name: &'static str, expected: String, hint: String) -> ExtractError {
    ExtractError::InvalidSetting { name, expected, got: "both".to_owned(), hint }
}

/// Refuses another network, or other pixels, than a checkpoint was trained with.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] that names the argument.
pub(super) fn refuse_other_network(args: &DumpArgs, own: &Recipe) -> Result<(), ExtractError> {
    let photo = own.transform.photo.as_ref();
    let size = |side: Option<std::num::NonZeroUsize>| side.map(|side| side.to_string());
    for (name, asked, there) in [
        ("--backbone", args.recipe.backbone.clone(), Some(own.backbone.clone())),
        ("--width", args.recipe.width.map(|width| width.to_string()), Some(own.width.to_string())),
        ("--resize", size(args.data.resize), photo.map(|photo| photo.resize.to_string())),
        ("--crop", size(args.data.crop), photo.map(|photo| photo.crop.to_string())),
    ] {
        if let (Some(asked), Some(there)) = (asked, there)
            && asked != there
        {
            return Err(ExtractError::InvalidSetting {
                name,
                expected: format!("{there}, with which the checkpoint was trained"),
                got: asked,
                hint: "leave it out: a checkpoint keeps its own".to_owned(),
            });
        }
    }
    Ok(())
}
