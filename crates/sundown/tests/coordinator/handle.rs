//! The handle, its streams and threads, the tokens, and deadlines.

use std::future::pending;
use std::time::Duration;

use super::support::{SECOND, coordinator};
use sundown::{Cause, Deadline};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn until_lets_an_item_pass_and_stops_between_two() {
    let coordinator = coordinator();
    let shutdown = coordinator.shutdown();
    let (send, mut queue) = tokio::sync::mpsc::channel(8);
    for item in 0..8 {
        send.send(item).await.unwrap();
    }
    let mut done = Vec::new();
    while let Some(item) = shutdown.until(queue.recv()).await.flatten() {
        done.push(item);
        if item == 2 {
            coordinator.initiate(Cause::requested("test"));
        }
    }
    assert_eq!(done, [0, 1, 2], "the queue is full, and yet the loop ends");
    assert_eq!(queue.recv().await, Some(3), "nothing was lost");
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_stream_ends_at_the_shutdown_even_while_it_sleeps() {
    use futures_core::Stream;
    use std::pin::{Pin, pin};

    struct Count(u32);
    impl Stream for Count {
        type Item = u32;
        fn poll_next(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<u32>> {
            self.0 += 1;
            if self.0 < 3 { Some(self.0).into() } else { std::task::Poll::Pending }
        }
    }

    let coordinator = coordinator();
    let mut stream = pin!(coordinator.shutdown().until_stream(Count(0)));
    let mut next = async || std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
    assert_eq!(next().await, Some(1));
    assert_eq!(next().await, Some(2));
    let initiate = async {
        sleep(SECOND).await;
        coordinator.initiate(Cause::requested("test"));
    };
    let (end, ()) = tokio::join!(next(), initiate);
    assert_eq!(end, None);
}

#[test]
fn a_thread_sleeps_until_the_shutdown_or_its_timeout() {
    let coordinator = coordinator();
    let shutdown = coordinator.shutdown();
    assert!(!shutdown.wait_timeout(Duration::from_millis(5)));
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| shutdown.wait_timeout(Duration::MAX));
        coordinator.initiate(Cause::requested("test"));
        assert!(sleeper.join().unwrap());
    });
}

#[tokio::test(start_paused = true)]
async fn tokens_are_cancelled_by_the_shutdown_and_children_alone_by_themselves() {
    let coordinator = coordinator();
    let [one, two] = [0, 1].map(|_| coordinator.token().child_token());
    one.cancel();
    assert!(!two.is_cancelled() && !coordinator.is_shutting_down());
    coordinator.initiate(Cause::requested("test"));
    assert!(two.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_knows_what_is_left_and_bounds_a_future() {
    let deadline = Deadline::after(10 * SECOND);
    assert_eq!(deadline.minus(4 * SECOND).left(), 6 * SECOND);
    assert_eq!(deadline.bound(async { 1 }).await, Some(1));
    assert_eq!(deadline.bound(pending::<()>()).await, None);
    assert!(deadline.has_passed());
}
