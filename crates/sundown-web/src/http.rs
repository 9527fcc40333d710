//! What a worker serves: HTTP, and the application inside.

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::{ConnectionType, HttpMessage as _, HttpService, Protocol, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    fn_factory, fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::AppConfig;
use actix_web::http::Version;

use crate::body::TrackedBody;
use crate::connection::Known;
use crate::connections::Stage;
use crate::in_flight::InFlight;
use crate::io::TrackedIo;
use crate::limits::Limits;
use crate::metrics;
use crate::worker::Services;

type Answer<B> = Response<TrackedBody<EitherBody<B>>>;

/// The services of one worker.
pub(crate) async fn services<F, I, S, B>(
    application: F,
    limits: Limits,
) -> Result<
    Services<
        impl Service<(TrackedIo, Protocol, Option<SocketAddr>)> + 'static,
        impl Service<Request, Response = Answer<B>, Error: Into<Response<BoxBody>>, Future: 'static>
        + 'static,
    >,
    String,
>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let application = application().into_factory().map_err(|e| e.into().error_response());
    let application = map_config(application, |()| AppConfig::default());
    let tracked =
        apply_fn_factory(application, move |request, service: &_| answer(request, service, limits));
    let request = tracked.new_service(()).await;
    let request = Rc::new(request.map_err(|error| format!("the application: {error:?}"))?);
    let same = request.clone();
    let http1 = HttpService::build()
        .client_request_timeout(limits.head)
        .keep_alive(limits.keep_alive())
        .on_connect_ext(|io: &TrackedIo, extensions| {
            extensions.insert(io.known());
            extensions.insert(io.server());
            extensions.insert(io.token());
        })
        .expect(fn_service(move |request| ready(expect(request, limits))))
        .finish(fn_factory(move || ready(Ok::<_, ()>(same.clone()))));
    let connection = http1.new_service(()).await.map_err(|()| "HTTP/1".to_owned())?;
    Ok(Services { connection, request })
}

/// The connection a request came over. actix lets nobody but itself set the data of a connection, so with
/// HTTP/2 it is with the request.
pub(crate) fn connection_of(request: &Request) -> Option<Rc<Known>> {
    let known = request.conn_data::<Rc<Known>>().cloned();
    known.or_else(|| request.extensions().get::<Rc<Known>>().cloned())
}

/// Whether a client that asks first may send its body.
fn expect(request: Request, limits: Limits) -> Result<Request, Response<BoxBody>> {
    limits.refuse(&request).map_or(Ok(request), Err)
}

/// Answers one request: counted until its body is gone, and told to look elsewhere next time once
/// the end was announced. An error of the application is an answer as any other.
fn answer<S, B, E>(
    mut request: Request,
    service: &S,
    limits: Limits,
) -> impl Future<Output = Result<Answer<B>, E>> + use<S, B, E>
where
    S: Service<Request, Response: Into<Response<B>>, Error = E, Future: 'static>,
    E: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let known = connection_of(&request).expect("every request comes over a connection of ours");
    let in_flight = InFlight::begin(known, &request);
    let connections = &in_flight.known.connections;
    if connections.stage() > Stage::Open {
        metrics::request_after_signal(&connections.server);
    }
    let is_h1 = request.version() < Version::HTTP_2;
    let refusal = limits.refuse(&request);
    let upload =
        if refusal.is_none() { limits.bound(&mut request, &in_flight.known) } else { None };
    let answer = refusal.map_or_else(|| Ok(service.call(request)), Err);
    async move {
        let mut response = match answer {
            Ok(answer) => either(answer.await),
            Err(refusal) => refusal.map_body(|_, body| EitherBody::right(body)),
        };
        let is_upgrade = response.head().upgrade();
        if is_upgrade {
            in_flight.known.connection.upgrade();
            upload.iter().for_each(|upload| upload.unbound());
        }
        if let Some(upload) = &upload {
            response.head_mut().status = upload.status(response.status());
        }
        if is_h1 && in_flight.known.connections.stage() > Stage::Open && !is_upgrade {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(response.map_body(|_, body| TrackedBody::new(body, in_flight, upload, !is_h1)))
    }
}

/// What the application answers, be it an error.
fn either<R, E, B>(answer: Result<R, E>) -> Response<EitherBody<B>>
where
    R: Into<Response<B>>,
    E: Into<Response<BoxBody>>,
{
    match answer {
        Ok(response) => response.into().map_body(|_, body| EitherBody::left(body)),
        Err(error) => error.into().map_body(|_, body| EitherBody::right(body)),
    }
}
