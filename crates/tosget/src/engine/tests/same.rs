//! A destination that is the object already is left as it is, where the caller wants that; and nothing else is taken for it.

use super::*;

impl Bench {
    async fn skipping(&self) -> DownloadFileOutput {
        let spec = Spec {
            skip_same: true,
            ..self.spec()
        };
        self.download(spec).await.expect("a download")
    }
}

#[tokio::test]
async fn a_destination_that_is_the_object_costs_no_byte() {
    for size in [0, 1000, SIZE] {
        let bench = Bench::new(size);
        bench.skipping().await;
        let written = fs::metadata(bench.destination()).expect("there").modified();
        let output = bench.skipping().await;
        bench.assert_is_the_object();
        assert_eq!((output.bytes_fetched, output.bytes_resumed), (0, size as u64));
        assert_eq!(output.verification, Verification::Crc64);
        let now = fs::metadata(bench.destination()).expect("there").modified();
        assert_eq!(now.expect("a time"), written.expect("a time"), "{size} bytes");
    }
}

#[tokio::test]
async fn a_destination_that_only_looks_like_the_object_is_replaced() {
    let bench = Bench::new(SIZE);
    for altered in [0, SIZE / 2, SIZE - 1] {
        let mut content = bench.content.clone();
        content[altered] ^= 1;
        fs::write(bench.destination(), content).expect("written");
        let output = bench.skipping().await;
        bench.assert_is_the_object();
        assert_eq!(output.bytes_fetched, SIZE as u64);
    }
    fs::write(bench.destination(), &bench.content[1..]).expect("written");
    assert_eq!(bench.skipping().await.bytes_fetched, SIZE as u64);
    bench.assert_is_the_object();
}

#[tokio::test]
async fn an_interrupted_download_is_gone_on_with_whatever_the_destination_is() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    fs::write(bench.destination(), &bench.content).expect("written");
    let output = bench.skipping().await;
    assert!(output.bytes_fetched > 0 && output.bytes_resumed > 0, "{output:?}");
    bench.assert_is_the_object();
    assert_eq!(bench.files(), ["object.bin"]);
}
