// franz-go: topics, produce (idempotent, every codec), consume, admin, groups, deletion.
//
//	franz BOOTSTRAP [PART...]; without parts, all of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 4
	records    = 20_000
	patience   = 60 * time.Second
	// Of the part `steady`: enough that every shard of eight has some.
	steadyPartitions = 16
	steadySeconds    = 4
)

var (
	bootstrap string
	topic     = fmt.Sprintf("franz-%d", os.Getpid())
	firstMs   = time.Now().UnixMilli() - records
)

var parts = []struct {
	name string
	run  func(context.Context)
}{
	{"topics", topics},
	{"produce", produce},
	{"consume", consume},
	{"older", older},
	{"changes", changes},
	{"groups", groups},
	{"rebalance", rebalance},
	{"overlap", overlap},
	{"steady", steady},
	{"deletion", deletion},
}

func main() {
	bootstrap = os.Args[1]
	wanted := map[string]bool{}
	for _, name := range os.Args[2:] {
		wanted[name] = true
	}
	for _, part := range parts {
		if len(wanted) > 0 && !wanted[part.name] {
			continue
		}
		within, cancel := context.WithTimeout(context.Background(), patience)
		part.run(within)
		cancel()
		fmt.Printf("franz-go: %s: ok\n", part.name)
	}
	fmt.Println("franz-go: PASSED")
}

// A failed check ends the program: what is still open ends with it.
func check(holds bool, otherwise ...any) {
	if !holds {
		fmt.Fprintln(os.Stderr, append([]any{"franz-go: FAILED:"}, otherwise...)...)
		os.Exit(1)
	}
}

func must[T any](value T, failed error) T {
	if failed != nil {
		panic(failed)
	}
	return value
}

func client(options ...kgo.Opt) *kgo.Client {
	return must(kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...))
}

func admin() *kadm.Client { return kadm.NewClient(client()) }

func topics(within context.Context) {
	admin := admin()
	defer admin.Close()
	made := must(admin.CreateTopic(within, partitions, 1, nil, topic))
	check(made.Err == nil, made.Err)
	_, again := admin.CreateTopic(within, partitions, 1, nil, topic)
	check(errors.Is(again, kerr.TopicAlreadyExists), "created twice:", again)
	found := must(admin.ListTopics(within, topic))[topic]
	check(len(found.Partitions) == partitions, found)
	cluster := must(admin.BrokerMetadata(within))
	check(cluster.Cluster != "", "no cluster id")
}

func produce(within context.Context) {
	codecs := []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(),
		kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
	for part, codec := range codecs {
		sender := client(kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for at := part; at < records; at += len(codecs) {
			record := &kgo.Record{
				Topic:     topic,
				Partition: int32(at % partitions),
				Key:       []byte(fmt.Sprint("key ", at)),
				Value:     value(at),
				Timestamp: time.UnixMilli(firstMs + int64(at)),
				Headers:   []kgo.RecordHeader{{Key: "number", Value: []byte(fmt.Sprint(at))}},
			}
			sender.Produce(within, record, func(_ *kgo.Record, failed error) {
				check(failed == nil, "produce:", failed)
			})
		}
		check(sender.Flush(within) == nil, "not everything was acknowledged")
		sender.Close()
	}
}

func value(at int) []byte {
	if at%100 == 13 {
		return nil
	}
	return []byte(fmt.Sprint("value ", at))
}

func consume(within context.Context) {
	reader := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	next, seen := map[int32]int64{}, map[string]bool{}
	for len(seen) < records {
		fetched(within, reader).EachRecord(func(record *kgo.Record) {
			check(record.Offset == next[record.Partition], "a gap before", record)
			next[record.Partition]++
			var at int
			must(fmt.Sscan(string(record.Headers[0].Value), &at))
			check(string(record.Key) == fmt.Sprint("key ", at), record)
			check(string(record.Value) == string(value(at)), record)
			check((record.Value == nil) == (value(at) == nil), record)
			check(record.Timestamp.UnixMilli() == firstMs+int64(at), record)
			check(!seen[string(record.Key)], "twice:", record)
			seen[string(record.Key)] = true
		})
	}
}

func fetched(within context.Context, reader *kgo.Client) kgo.Fetches {
	found := reader.PollFetches(within)
	check(found.Err() == nil, "fetch:", found.Err())
	return found
}

func changes(within context.Context) {
	admin := admin()
	defer admin.Close()
	hour := "3600000"
	altered := must(admin.AlterTopicConfigs(within,
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}}, topic))
	check(altered[0].Err == nil, altered)
	described := must(must(admin.DescribeTopicConfigs(within, topic)).On(topic, nil))
	for _, config := range described.Configs {
		check(config.Key != "retention.ms" || config.MaybeValue() == hour, config)
	}
	ends := must(admin.ListEndOffsets(within, topic))
	check(end(ends) == records/partitions, "end", end(ends))
	late := must(admin.ListOffsetsAfterMilli(within, firstMs+4, topic))
	check(end(late) == 1, "by time", end(late))
	must(admin.DeleteRecords(within, kadm.Offsets{topic: {0: {Topic: topic, At: 10}}}))
	starts := must(admin.ListStartOffsets(within, topic))
	check(end(starts) == 10, "start", end(starts))
	wide := topic + "-wide"
	must(admin.CreateTopic(within, 1, 1, nil, wide))
	grown := must(admin.UpdatePartitions(within, 6, wide))
	check(grown.Error() == nil, grown.Error())
	// Its metadata are a second old at most unless they are asked for: the rest is in a poll.
	found := must(admin.ListTopics(within, wide))[wide]
	check(len(found.Partitions) == 6, found)
}

func end(listed kadm.ListedOffsets) int64 {
	offset, _ := listed.Lookup(topic, 0)
	check(offset.Err == nil, offset.Err)
	return offset.Offset
}

func member(group string, options ...kgo.Opt) *kgo.Client {
	return client(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.SessionTimeout(10*time.Second))...)
}

func groups(within context.Context) {
	admin := admin()
	defer admin.Close()
	group := topic + "-group"
	available := records - 10 // `changes` has deleted ten
	one, found := member(group), 0
	for found < available {
		found += fetched(within, one).NumRecords()
	}
	check(found == available, found, "records of", available)
	check(one.CommitUncommittedOffsets(within) == nil, "commit")
	described := must(admin.DescribeGroups(within, group))[group]
	check(described.State == "Stable" && len(described.Members) == 1, described)
	one.Close()

	offsets := must(admin.FetchOffsets(within, group))
	for partition := int32(0); partition < partitions; partition++ {
		place, there := offsets.Lookup(topic, partition)
		check(there && place.At == records/partitions, partition, place)
	}
	noted := kadm.Offset{Topic: topic, Partition: 1, At: 7, LeaderEpoch: -1, Metadata: "a note"}
	must(admin.CommitOffsets(within, group, kadm.Offsets{topic: {1: noted}}))
	place, _ := must(admin.FetchOffsets(within, group)).Lookup(topic, 1)
	check(place.At == 7 && place.Metadata == "a note", place)
	listed := must(admin.ListGroups(within)).Groups()
	check(sort.SearchStrings(listed, group) < len(listed), "not listed:", listed)
	must(admin.DeleteGroup(within, group))
	_, again := admin.DeleteGroup(within, group)
	check(errors.Is(again, kerr.GroupIDNotFound), "deleted twice:", again)
}

// A member that polls until it is told to end, and says what it has at the moment.
type worker struct {
	client *kgo.Client
	lock   sync.Mutex
	mine   map[int32]bool
	ended  chan struct{}
	cancel context.CancelFunc
}

func work(group string, options ...kgo.Opt) *worker {
	worker := &worker{mine: map[int32]bool{}, ended: make(chan struct{})}
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, which map[string][]int32) {
			worker.lock.Lock()
			defer worker.lock.Unlock()
			for _, partition := range which[topic] {
				if has {
					worker.mine[partition] = true
				} else {
					delete(worker.mine, partition)
				}
			}
		}
	}
	worker.client = member(group, append(options, kgo.OnPartitionsAssigned(change(true)),
		kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))...)
	polling, cancel := context.WithCancel(context.Background())
	worker.cancel = cancel
	go func() {
		defer close(worker.ended)
		for polling.Err() == nil {
			worker.client.PollFetches(polling)
		}
	}()
	return worker
}

func (worker *worker) has() map[int32]bool {
	worker.lock.Lock()
	defer worker.lock.Unlock()
	copied := map[int32]bool{}
	for partition := range worker.mine {
		copied[partition] = true
	}
	return copied
}

func (worker *worker) end() {
	worker.cancel()
	<-worker.ended
	worker.client.Close()
}

// Every partition belongs to exactly one of them, and none has more than `most`.
func settled(within context.Context, what string, most int, workers ...*worker) {
	for {
		owned, sum, fair := map[int32]bool{}, 0, true
		for _, worker := range workers {
			has := worker.has()
			sum += len(has)
			fair = fair && len(has) <= most && len(has) > 0
			for partition := range has {
				owned[partition] = true
			}
		}
		if fair && len(owned) == partitions && sum == partitions {
			return
		}
		check(within.Err() == nil, what, "not in time:", owned)
		time.Sleep(20 * time.Millisecond)
	}
}

func rebalance(within context.Context) {
	group := topic + "-two"
	one := work(group)
	settled(within, "one has all", partitions, one)
	two := work(group)
	settled(within, "each has half", partitions/2, one, two)
	two.end()
	settled(within, "one has all again", partitions, one)
	one.end()
}

// Rebalances that overlap, with static members among them: they come, go and come back under the
// same name while others join and leave; in the end everything belongs to exactly one member.
func overlap(within context.Context) {
	group := topic + "-overlap"
	named := func(name string) kgo.Opt { return kgo.InstanceID(name) }
	stays := work(group, named("stays"))
	goes := work(group, named("goes"))
	for round := 0; round < 3; round++ {
		passing := work(group)
		goes.end()
		goes = work(group, named("goes"))
		second := work(group)
		passing.end()
		settled(within, fmt.Sprint("round ", round), 2, stays, goes, second)
		second.end()
	}
	settled(within, "the static two share", partitions/2, stays, goes)
	goes.end()
	stays.end()
	admin := admin()
	defer admin.Close()
	left := must(admin.LeaveGroup(within, kadm.LeaveGroup(group).InstanceIDs("stays", "goes")))
	check(left.Error() == nil, left.Error())
}

// Every partition in turn, one record a request, and a reader of all of them: where do the
// requests go? The broker's counters tell.
func steady(within context.Context) {
	topic := topic + "-steady"
	admin := admin()
	defer admin.Close()
	must(admin.CreateTopic(within, steadyPartitions, 1, nil, topic))
	sender := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer sender.Close()
	reader := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	sent, until := 0, time.Now().Add(steadySeconds*time.Second)
	for ; time.Now().Before(until); sent++ {
		record := &kgo.Record{Topic: topic, Partition: int32(sent % steadyPartitions), Value: []byte("x")}
		failed := sender.ProduceSync(within, record).FirstErr()
		check(failed == nil, failed)
		if sent%steadyPartitions == 0 {
			reading, cancel := context.WithTimeout(within, time.Millisecond)
			reader.PollFetches(reading)
			cancel()
		}
	}
	fmt.Println("franz-go: steady:", sent, "requests")
}

func deletion(within context.Context) {
	admin := admin()
	defer admin.Close()
	must(admin.DeleteTopic(within, topic))
	found := must(admin.ListTopics(within))
	check(!found.Has(topic), "still listed")
}
