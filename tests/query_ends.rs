//! Queries that are ended before they are done: nothing of them goes on computing. Whether something does is told by
//! the number of tasks that compute, which is the process's, so all is one test.

#![cfg(feature = "query")]

mod support;

use std::collections::BTreeMap;

use support::client::{Client, Response};
use support::server::until;
use support::world::{Storage, World};

/// Queries that would take days, each busy in its own way, over a file of a thousand rows. The first side of a join
/// is held in memory: it is small, for a machine that is slow to end them.
const ENDLESS: &[(&str, &str)] = &[
    (
        "pairs",
        "SELECT COUNT(*) FROM {n} a JOIN ({n} b JOIN ({n} c JOIN {n} d ON c.x < d.x + 1) ON b.x < c.x + 1) ON a.x < b.x + 1",
    ),
    (
        "a sort",
        "SELECT a.x * b.x * c.x AS y, a.t FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d)) ORDER BY y, a.t",
    ),
    (
        "groups",
        "SELECT a.x, b.x, c.x, d.x, COUNT(*) FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d)) GROUP BY 1, 2, 3, 4",
    ),
    (
        "a join by hash",
        "SELECT COUNT(*) FROM (SELECT a.x * 1000000 + b.x * 1000 + c.x AS y FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d))) l JOIN (SELECT a.x * 1000000 + b.x * 1000 + c.x AS y FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d))) r USING (y)",
    ),
    (
        "a window",
        "SELECT SUM(s) FROM (SELECT SUM(a.x) OVER (PARTITION BY a.x, b.x, c.x ORDER BY d.x) AS s FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d))) t",
    ),
    (
        "an analysis",
        "EXPLAIN ANALYZE SELECT COUNT(*) FROM {n} a JOIN ({n} b JOIN ({n} c JOIN {n} d ON c.x < d.x + 1) ON b.x < c.x + 1) ON a.x < b.x + 1",
    ),
    (
        "rows",
        "SELECT a.x, b.x, c.x, d.x FROM {n} a CROSS JOIN ({n} b CROSS JOIN ({n} c CROSS JOIN {n} d))",
    ),
];

/// Error 1041.
const OUT_OF_MEMORY: u16 = 1041;

/// How often a query is begun that may end by itself.
const TRIES: usize = 10;

/// How a query ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    ConnectionKilled,
    TimedOut,
    ClientGone,
}

const ENDS: [End; 4] = [End::Killed, End::ConnectionKilled, End::TimedOut, End::ClientGone];

#[test]
fn nothing_goes_on_computing() {
    let world = World::new(Storage::Fs).expect("directories are always there");
    let connect = || Client::connect(world.server.addr);
    let tasks = || world.server.instance.engine.tasks();
    let mut other = connect();
    let numbers: String = (0..1000).map(|x| format!("{x},text {x}\n")).collect();
    let numbers = format!("x,t\n{numbers}");
    other.serve_map(BTreeMap::from([("/n.csv".to_owned(), numbers.into_bytes())]));
    let made = "CREATE STAGE s; PUT 'file:///n.csv' @s; CREATE VIEW n AS SELECT * FROM @s/n.csv.gz (PARSE_HEADER => TRUE)";
    for answer in other.query(made) {
        assert!(!matches!(answer, Response::Err(_)), "{answer:?}");
    }
    for (what, query) in ENDLESS {
        let query = query.replace("{n}", "n");
        for end in ENDS {
            let gone = format!("{what}, {end:?}: nothing computes");
            let mut client = connect();
            // On a slow machine one may have needed all memory before it was ended: that is no answer to how it ends.
            let mut refused = OUT_OF_MEMORY;
            for _ in 0..TRIES {
                // What begins now is this one.
                until(&gone, || tasks() == 0);
                client = connect();
                let id = client.greeting.connection_id;
                if let End::TimedOut = end {
                    client.query("SET max_execution_time = 300");
                }
                client.command(&[b"\x03", query.as_bytes()].concat());
                until(&format!("{what} has begun"), || tasks() > 0);
                match end {
                    End::Killed => drop(other.query(&format!("KILL QUERY {id}"))),
                    End::ConnectionKilled => drop(other.query(&format!("KILL {id}"))),
                    End::TimedOut | End::ClientGone => {}
                }
                refused = match end {
                    End::Killed | End::TimedOut => code(client.response(false), what),
                    End::ConnectionKilled | End::ClientGone => 0,
                };
                if refused != OUT_OF_MEMORY {
                    break;
                }
            }
            let expected = match end {
                End::Killed => 1317,
                End::TimedOut => 3024,
                End::ConnectionKilled | End::ClientGone => {
                    drop(client);
                    until(&gone, || tasks() == 0);
                    continue;
                }
            };
            assert_eq!(refused, expected, "{what}, {end:?}");
            until(&gone, || tasks() == 0);
            client.query("SET max_execution_time = 0");
            let count = client.query("SELECT COUNT(*) FROM n");
            assert_eq!(number(&count), 1000, "{what}, {end:?}: the connection lives");
        }
    }
    let spilled = world.server.data_dir().join("spill");
    let left = support::world::files_below(&spilled);
    assert!(left.is_empty(), "{left:?}");
}

/// The number of an error.
fn code(answer: Response, what: &str) -> u16 {
    match answer {
        Response::Err(refusal) => refusal.code,
        Response::Ok { .. } | Response::Rows { .. } => panic!("{what}: {answer:?}"),
    }
}

fn number(answers: &[Response]) -> u64 {
    match answers {
        [Response::Rows { rows, .. }] => {
            rows[0][0].as_deref().and_then(|text| text.parse().ok()).expect("a number")
        }
        other => panic!("{other:?}"),
    }
}
