"""Faust as our stages use it: membership, assignment, flow and actors are Faust's, every byte of data is ours.

Built by subclassing through Faust's own seams (App, Transport, Consumer, ConsumerThread, Producer, TransactionManager,
TableManager, Recovery); nothing of upstream is copied or patched. Faust runs in its exactly-once mode because that is
the mode that asks a TransactionManager at every rebalance; what that mode does with data is replaced. There is no Faust
table: its changelog would be fetched by the same consumer, record by record, and recovery would seek under the flow.

Upstream (faust-streaming 0.15.3)    Consequence                Override                       Test (tests/kafka)
------------------------------------ -------------------------- ------------------------------ -----------------------
Acks are gathered per message;       Events lost on restart, or Consumer.commit, Consumer.ack: test_crashes;
offsets are committed on a timer,    done again after a         nothing; Partition._commit:    test_deliberate_bugs:
past gaps and failed sends, or after rebalance                  offsets in the batch's         offsets
the acks were forgotten                                         transaction

An exception in an agent acks its    The event is lost          app._guarded: any error ends   test_faults
event and goes on                                               the process

Every record passes through four     2 thousand events/s        Consumer._deliver: inlets, and make bench
tasks by itself                                                 one message per batch to wake
                                                                the actor

What was fetched before a rebalance  Events skipped or done     Consumer._deliver,             test_ownership
is delivered after it                twice                      Consumer._getmany: asks again,
                                                                for a frozen set

Partitions flow before they are      Events skipped             Consumer.perform_seek: all, to test_crashes, wiped;
sought; those without a committed                               offsets that were read after   test_ownership
offset never are                                                fencing

A transactional producer belongs to  Outputs outside the        Transactions.on_rebalance:     test_ownership,
the partition that is written to;    transaction of their       fences by the partition that   suspended;
its errors are warnings              input; a zombie writes     is read, before offsets are    test_deliberate_bugs:
                                                                read                           ids

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

Two facts below Faust shape Partition._commit. aiokafka commits a transaction without a batch that the broker refused,
so every batch is awaited first. The broker answers a batch with a retriable error while offsets are being added to its
transaction, so offsets are added first.

Two settings have no seam and are set on the consumer object before it starts (ConsumerThread): the assignor, and the
waits of 1,500 and 100 ms that upstream fixes. A partition that moves to another worker is
restored from its changelog, from where the standby store of that worker stands (services/runtime/standby.py).
"""
