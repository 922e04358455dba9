//! Tiny data sets in CIFAR's binary formats.

use crate::program::Workplace;

const PIXELS: usize = 3072;

/// A record whose image depends on its class and number, so that a network can learn it.
fn record(labels: &[u8], class: usize, number: usize) -> Vec<u8> {
    let pixel = |i: usize| {
        u8::try_from((class * 25 + (i / 1024) * 40 + (i * (class + 1) + number * 7) % 31) % 256).unwrap()
    };
    labels.iter().copied().chain((0..PIXELS).map(pixel)).collect()
}

/// CIFAR-10 with `train` images (a multiple of 5) and `test` images of each class, classes taking turns.
pub(crate) fn cifar10(place: &Workplace, folder: &str, train: usize, test: usize) {
    let records = |numbers: std::ops::Range<usize>| -> Vec<u8> {
        let pairs = numbers.flat_map(|number| (0_u8..10).map(move |class| (class, number)));
        pairs.flat_map(|(class, number)| record(&[class], usize::from(class), number)).collect()
    };
    let batch = train / 5;
    for index in 0..5 {
        let name = format!("{folder}/data_batch_{}.bin", index + 1);
        place.write(&name, records(index * batch..(index + 1) * batch));
    }
    place.write(&format!("{folder}/test_batch.bin"), records(train..train + test));
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    place.write(&format!("{folder}/batches.meta.txt"), names.join("\n") + "\n\n");
}

/// CIFAR-100 with `train` and `test` images of each class, classes taking turns.
pub(crate) fn cifar100(place: &Workplace, folder: &str, train: usize, test: usize) {
    let records = |numbers: std::ops::Range<usize>| -> Vec<u8> {
        let pairs = numbers.flat_map(|number| (0_u8..100).map(move |class| (class, number)));
        pairs.flat_map(|(class, number)| record(&[class / 5, class], usize::from(class), number)).collect()
    };
    place.write(&format!("{folder}/train.bin"), records(0..train));
    place.write(&format!("{folder}/test.bin"), records(train..train + test));
    let names: Vec<String> = (0..100).map(|class| format!("class-{class:02}")).collect();
    place.write(&format!("{folder}/fine_label_names.txt"), names.join("\n") + "\n");
}

/// A copy of a CIFAR-10 folder with every image mirrored left to right.
pub(crate) fn mirrored(place: &Workplace, from: &str, to: &str) {
    for entry in std::fs::read_dir(place.path(from)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let mut bytes = std::fs::read(place.path(from).join(&name)).unwrap();
        if name != "batches.meta.txt" {
            for record in bytes.chunks_exact_mut(1 + PIXELS) {
                record[1..].chunks_exact_mut(32).for_each(<[u8]>::reverse);
            }
        }
        place.write(&format!("{to}/{name}"), bytes);
    }
}
