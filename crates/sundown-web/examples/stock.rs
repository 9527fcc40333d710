//! The same service on actix-web as it comes, to compare: no announcement, its own graceful stop.
//!
//! `cargo run -p sundown-web --example stock -- 127.0.0.1:8080`. Under load it loses requests when it is
//! restarted behind a proxy; `hello` does not. The test `rolling` shows both.

use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = HttpServer::new(|| {
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().body("hello\n")))
            .route("/readyz", web::get().to(async || HttpResponse::Ok().body("ready")))
            .route("/slow/{millis}", web::get().to(slow))
            .route("/big", web::get().to(async || HttpResponse::Ok().body(vec![b'x'; 1 << 20])))
    })
    .bind(&address)?
    .run();
    println!("serving on http://{address}");
    server.await
}

async fn slow(millis: web::Path<u64>) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(*millis)).await;
    HttpResponse::Ok().body("that took a while\n")
}
