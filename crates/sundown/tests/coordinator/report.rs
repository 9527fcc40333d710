//! Reports: live, as JSON, as a picture, and as the one line that fits a termination message.

use std::time::Duration;

use super::support::{SECOND, coordinator, idle, stop};
use sundown::{Cause, Coordinator, Phase, PlanError, Priority, Report, Verdict, Waiter};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn the_live_report_says_who_runs_since_when() {
    let coordinator = coordinator();
    let slow = Waiter::new("slow", |_| sleep(3 * SECOND));
    coordinator.register_waiter(slow).unwrap();
    coordinator.register_waiter(idle("save").in_phase(Phase::FLUSH)).unwrap();
    assert_eq!(coordinator.report().verdict, Verdict::Running);
    coordinator.initiate(Cause::requested("test"));
    let look = async {
        sleep(SECOND).await;
        coordinator.report()
    };
    let (end, during) = tokio::join!(coordinator.run(), look);
    let slow = during.waiter("slow").unwrap();
    assert_eq!((slow.start, slow.outcome), (Some(Duration::ZERO), None));
    assert_eq!(during.waiter("save").unwrap().start, None);
    assert!(during.to_string().contains("running"), "{during}");
    assert_eq!(coordinator.report(), end);
}

#[tokio::test(start_paused = true)]
async fn the_report_survives_json_and_draws_whatever_names_there_are() {
    let coordinator = coordinator();
    let names = ["<script>&\"", "name\nwith\u{0}control", "日本語の名前"];
    for name in names {
        let waiter = Waiter::new(name, |_| async {
            sleep(Duration::from_micros(1500)).await;
            Err::<(), _>("]]> & <b>")
        });
        coordinator.register_waiter(waiter).unwrap();
    }
    let report = stop(&coordinator).await;
    assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
    let svg = report.to_svg();
    assert!(!svg.contains("<script>") && !svg.contains('\u{0}'), "{svg}");
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(report.to_string().contains("日本語の名前"));
    let newer = r#"{"schema": 2, "verdict": "clean"}"#;
    assert!(Report::from_json(newer).unwrap_err().to_string().contains("schema 2"));
}

#[tokio::test(start_paused = true)]
async fn the_termination_line_fits_whatever_went_wrong() {
    let coordinator = coordinator();
    for number in 0..200 {
        let name = format!("waiter-{number}-{}", "\u{1F4A5}\"\\".repeat(40));
        let waiter = Waiter::new(name, |_| async { Err::<(), _>("\"\n".repeat(5000)) });
        coordinator.register_waiter(waiter).unwrap();
    }
    let line = stop(&coordinator).await.to_line();
    assert!(line.len() <= 4096 && !line.contains('\n'), "{}", line.len());
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let kept = line["trouble"].as_array().unwrap().len() as u64;
    assert!(kept > 0);
    assert_eq!(kept + line["left_out"].as_u64().unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_preview_adds_up_to_the_cap_and_shows_who_comes_after_whom() {
    let coordinator = Coordinator::builder()
        .cap(Duration::from_secs(30))
        .announce(Duration::from_secs(3))
        .build()
        .unwrap();
    assert!(coordinator.preview().is_err(), "nobody takes part");
    for (name, least) in [("web", 0), ("tasks", 2)] {
        let waiter = idle(name);
        coordinator.register_waiter(waiter.least(Duration::from_secs(least))).unwrap();
    }
    coordinator.register_hook("files", Priority::Cleanup, || ()).unwrap();
    coordinator.order(["web", "tasks"]).unwrap();
    let preview = coordinator.preview().unwrap();
    assert_eq!(
        preview.sum(),
        "announce 3 s + drain 21.75 s (what is left) + flush 0 ms + release 5 s + last words 250 ms \
         = 30 s",
        "nobody takes part in flush"
    );
    let drain = &preview.phases[1];
    assert_eq!((drain.start.as_millis(), drain.end.as_millis()), (3000, 24_750));
    let [web, tasks] = &drain.waiters[..] else { panic!("{drain:?}") };
    assert_eq!((&*web.name, web.deadline.as_millis()), ("web", 22_750), "it leaves the 2 s");
    assert_eq!((tasks.start, tasks.after.join(", ")), (web.deadline, "web".to_owned()));
    let text = preview.to_string();
    assert!(
        text.contains("after web; needs 2 s at least") && text.contains("hook Cleanup"),
        "{text}"
    );

    coordinator.order(["tasks", "web"]).unwrap();
    assert!(matches!(coordinator.preview(), Err(PlanError::Cycle { .. })));
}
