"""Faust as our stages use it: membership, assignment, flow and actors are Faust's, every byte of data is ours.

Built by subclassing through Faust's own seams (App, Transport, Consumer, ConsumerThread, Producer, TransactionManager,
TableManager, Recovery); nothing of upstream is copied or patched. Faust runs in its exactly-once mode because that is
the mode that asks a TransactionManager at every rebalance; what that mode does with data is replaced. There is no Faust
table: its changelog would be fetched by the same consumer, record by record, and recovery would seek under the flow.

Upstream (faust-streaming 0.15.3)    Consequence                Override                       Test (tests/kafka)
------------------------------------ -------------------------- ------------------------------ -----------------------
Acks are gathered per message;       Events lost on restart, or Consumer.commit, Consumer.ack: test_crashes;
offsets are committed on a timer,    done again after a         nothing; Committer: offsets    test_deliberate_bugs:
past gaps and failed sends, or after rebalance                  in the transaction of their    offsets, Faust commits
the acks were forgotten                                         work

An exception in an agent acks its    The event is lost          app._guarded: any error ends   test_faults
event and goes on                                               the process

Every record passes through four     2 thousand events/s        Consumer._deliver: inlets, and make bench
tasks by itself                                                 one message per batch to wake
                                                                the actor

What was fetched before a rebalance  Events skipped or done     Consumer._deliver: asks again  test_deliberate_bugs:
is delivered after it, unfiltered    twice                                                     earlier assignment

Partitions flow before they are      Events skipped             Consumer.perform_seek: all, to test_crashes, wiped;
sought; those without a committed                               offsets that were read after   test_ownership
offset never are                                                the takeover

A transactional producer belongs to  Outputs outside the        Transactions.on_rebalance,     test_ownership,
the partition that is written to;    transaction of their       Lane: a producer of the        suspended;
its errors are warnings              input                      process                        test_deliberate_bugs

aiokafka commits the offsets of a    A zombie writes; or 96     Lane: offsets in the name of   test_ownership,
transaction in nobody's name, so     producers at 24            the member (KIP-447), in the   suspended, goes on;
only an id per partition fences      partitions, each with its  first request of a             test_deliberate_bugs:
                                     own transactions           transaction                    in nobody's name

Offsets are read while a transaction Events done twice          ConsumerThread.committed: asks test_ownership, goes on;
of an earlier owner is open                                     again until they are stable    test_deliberate_bugs:
                                                                                               about to change

aiokafka asks for the offsets and    One more round trip in     Lane: both at once             make bench
for the partitions of a transaction  each transaction
one after the other

A rebalance does not wait for the    The end of a worker that   Consumer.on_partitions_        test_ownership,
batches of a worker that is stopping only stops                 revoked, StageApp.stop         scaling

Tables recover 7 thousand records/s, Slow restarts, lost state, Recovery._resume_streams: our  test_crashes, wiped;
and not past transaction markers     or no end of recovery      own restore                    test_deliberate_bugs:
                                                                                               restore

RocksDB is written before the        Doubled state after a      Partition.work: the store      test_deliberate_bugs:
changelog                            crash                      after the commit               store

A crashed service leaves the app     A worker that only looks   App._crash: ends the process;  test_faults
alive, or it commits while it stops  alive                      Watch: ends one that does not
                                                                get on

The table manager waits a second at  Slow restarts              TableManager.on_start          test_ownership, rolling
start                                                                                          restart

How a zombie is kept out, in full. The group's coordinator refuses offsets that name a generation which has passed, and
offsets are the first that a transaction sends: whoever owns nothing any more cannot get to its first record. A
transaction that was begun in time is open when the partition changes hands; the new owner reads the offsets after it
has ended, in one way or the other, and then the changelog as far as the log reaches. What ends it is its own process,
or the next one under its name, or the broker after Lane's `TIMEOUT`, which it looks for at intervals of
transaction.abort.timed.out.transaction.cleanup.interval.ms (10 s unless set lower; our own broker: 1 s).

Two settings have no seam and are set on the consumer object before it starts (ConsumerThread): the assignor, and the
waits of 1,500 and 100 ms that upstream fixes. A partition that moves to another worker is restored from its changelog,
from where the standby store of that worker stands (services/runtime/standby.py).
"""
