//! `corpus unpack TARGET FOLDER` writes each kept input into a file, as libFuzzer wants them;
//! `corpus pack TARGET FOLDER` keeps the inputs of a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use sundown_fuzz::corpus;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, target, folder] = &arguments[..] else {
        bail!("usage: corpus (unpack | pack) TARGET FOLDER");
    };
    let (file, folder) = (corpus::file(target), Path::new(folder));
    match what.as_str() {
        "unpack" => {
            fs::create_dir_all(folder)?;
            for (number, input) in corpus::read(&file)?.iter().enumerate() {
                let path = folder.join(format!("kept-{number:05}"));
                let cannot = || format!("cannot write {}", path.display());
                fs::write(&path, input).with_context(cannot)?;
            }
        }
        "pack" => {
            let count = corpus::write(&file, folder)?;
            println!("{}: {count} inputs", file.display());
        }
        other => bail!("`{other}` is neither unpack nor pack"),
    }
    Ok(())
}
