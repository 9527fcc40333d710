//! Certificates for a server: its own, and that of who signed it. Good for two days.

use std::path::Path;

use super::Error;
use super::place::{self, User};

use super::END;

const SIGNER: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                      -subj /CN=signer -keyout signer.key -out signer.pem \
                      -addext keyUsage=critical,keyCertSign";
const REQUEST: &str = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server \
                       -keyout server.key -out server.csr \
                       -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
const CERTIFICATE: &str = "x509 -req -in server.csr -CA signer.pem -CAkey signer.key \
                           -CAcreateserial -days 2 -copy_extensions copy -out server.pem";

/// Writes them into the server's directory, as its user.
pub(super) fn certify(data: &Path, user: Option<User>) -> Result<(), Error> {
    let program = place::on_path("openssl")
        .ok_or(Error::Missing { program: "openssl", install: "apt-get install -y openssl" })?;
    for words in [SIGNER, REQUEST, CERTIFICATE] {
        let command = place::launch(&program.join("openssl"), user)
            .args(words.split_whitespace())
            .current_dir(data);
        place::finish(command, END)?;
    }
    Ok(())
}
