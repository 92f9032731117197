// Sarama: topics, produce (idempotent, every codec), consume, admin, groups, deletion.
//
//	sarama BOOTSTRAP [PART...]; without parts, all of them.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
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
	topic     = fmt.Sprintf("sarama-%d", os.Getpid())
	firstMs   = time.Now().UnixMilli() - records
)

var parts = []struct {
	name string
	run  func()
}{
	{"topics", topics},
	{"produce", produce},
	{"consume", consume},
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
		late := time.AfterFunc(patience, func() { check(false, part.name, "not in time") })
		part.run()
		late.Stop()
		fmt.Printf("sarama: %s: ok\n", part.name)
	}
	fmt.Println("sarama: PASSED")
}

// A failed check ends the program: what is still open ends with it.
func check(holds bool, otherwise ...any) {
	if !holds {
		fmt.Fprintln(os.Stderr, append([]any{"sarama: FAILED:"}, otherwise...)...)
		os.Exit(1)
	}
}

func must[T any](value T, failed error) T {
	ok(failed)
	return value
}

func ok(failed error) {
	if failed != nil {
		panic(failed)
	}
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1 // Sarama allows no more with idempotence.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return config
}

func connect() sarama.Client { return must(sarama.NewClient([]string{bootstrap}, settings())) }

func administrator() sarama.ClusterAdmin {
	return must(sarama.NewClusterAdmin([]string{bootstrap}, settings()))
}

func topics() {
	admin := administrator()
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
	ok(admin.CreateTopic(topic, detail, false))
	again := admin.CreateTopic(topic, detail, false)
	check(errors.Is(again, sarama.ErrTopicAlreadyExists), "created twice:", again)
	found := must(admin.ListTopics())[topic]
	check(found.NumPartitions == partitions, found)
	described := must(admin.DescribeTopics([]string{topic}))
	check(len(described[0].Partitions) == partitions, described[0])
}

func produce() {
	codecs := []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD,
	}
	for part, codec := range codecs {
		config := settings()
		config.Producer.Compression = codec
		sender := must(sarama.NewAsyncProducer([]string{bootstrap}, config))
		go func() {
			for at := part; at < records; at += len(codecs) {
				sender.Input() <- &sarama.ProducerMessage{
					Topic:     topic,
					Partition: int32(at % partitions),
					Key:       sarama.StringEncoder(fmt.Sprint("key ", at)),
					Value:     value(at),
					Timestamp: time.UnixMilli(firstMs + int64(at)),
					Headers: []sarama.RecordHeader{
						{Key: []byte("number"), Value: []byte(fmt.Sprint(at))},
					},
				}
			}
		}()
		for acknowledged := 0; acknowledged < records/len(codecs); acknowledged++ {
			select {
			case <-sender.Successes():
			case failed := <-sender.Errors():
				check(false, "produce:", failed)
			}
		}
		ok(sender.Close())
	}
}

func value(at int) sarama.Encoder {
	if at%100 == 13 {
		return nil
	}
	return sarama.StringEncoder(fmt.Sprint("value ", at))
}

// Reads partitions from their beginning until `each` says that it is enough.
func read(topic string, count int32, each func(*sarama.ConsumerMessage) bool) {
	reader := must(sarama.NewConsumer([]string{bootstrap}, settings()))
	defer reader.Close()
	all := make(chan *sarama.ConsumerMessage)
	enough := make(chan struct{})
	for partition := int32(0); partition < count; partition++ {
		part := must(reader.ConsumePartition(topic, partition, sarama.OffsetOldest))
		defer part.Close()
		go func() {
			for message := range part.Messages() {
				select {
				case all <- message:
				case <-enough:
					return
				}
			}
		}()
	}
	defer close(enough)
	for !each(<-all) {
	}
}

func consume() {
	next, seen := map[int32]int64{}, map[string]bool{}
	read(topic, partitions, func(message *sarama.ConsumerMessage) bool {
		check(message.Offset == next[message.Partition], "a gap before", message)
		next[message.Partition]++
		var at int
		must(fmt.Sscan(string(message.Headers[0].Value), &at))
		check(string(message.Key) == fmt.Sprint("key ", at), message)
		var wanted []byte
		if sent := value(at); sent != nil {
			wanted = must(sent.Encode())
		}
		check(string(message.Value) == string(wanted), message)
		check((message.Value == nil) == (wanted == nil), message)
		check(message.Timestamp.UnixMilli() == firstMs+int64(at), message)
		check(!seen[string(message.Key)], "twice:", message)
		seen[string(message.Key)] = true
		return len(seen) == records
	})
}

func changes() {
	client, admin := connect(), administrator()
	defer client.Close()
	defer admin.Close()
	hour := "3600000"
	set := sarama.IncrementalAlterConfigsEntry{
		Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &hour,
	}
	ok(admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": set}, false))
	described := must(admin.DescribeConfig(sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"},
	}))
	check(len(described) == 1 && described[0].Value == hour, described)
	end := must(client.GetOffset(topic, 0, sarama.OffsetNewest))
	check(end == records/partitions, "end", end)
	late := must(client.GetOffset(topic, 0, firstMs+4))
	check(late == 1, "by time", late)
	ok(admin.DeleteRecords(topic, map[int32]int64{0: 10}))
	start := must(client.GetOffset(topic, 0, sarama.OffsetOldest))
	check(start == 10, "start", start)
	wide := topic + "-wide"
	ok(admin.CreateTopic(wide, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	ok(admin.CreatePartitions(wide, 6, nil, false))
	found := must(admin.DescribeTopics([]string{wide}))
	check(len(found[0].Partitions) == 6, found[0])
}

func groups() {
	admin := administrator()
	defer admin.Close()
	group := topic + "-group"
	available := records - 10 // `changes` has deleted ten
	one := work(group, "")
	await("all records", func() bool { return one.read() >= available })
	check(one.read() == available, one.read(), "records of", available)
	described := must(admin.DescribeConsumerGroups([]string{group}))[0]
	check(described.State == "Stable" && len(described.Members) == 1, described)
	one.end() // and commits

	of := map[string][]int32{topic: {0, 1, 2, 3}}
	offsets := must(admin.ListConsumerGroupOffsets(group, of))
	for partition := int32(0); partition < partitions; partition++ {
		place := offsets.GetBlock(topic, partition)
		check(place != nil && place.Offset == records/partitions, partition, place)
	}
	client := connect()
	defer client.Close()
	manager := must(sarama.NewOffsetManagerFromClient(group, client))
	part := must(manager.ManagePartition(topic, 1))
	part.ResetOffset(7, "a note")
	manager.Commit()
	// Without automatic commits the manager alone ends its parts.
	part.AsyncClose()
	ok(manager.Close())
	place := must(admin.ListConsumerGroupOffsets(group, of)).GetBlock(topic, 1)
	check(place.Offset == 7 && place.Metadata == "a note", place)
	_, listed := must(admin.ListConsumerGroups())[group]
	check(listed, "not listed")
	ok(admin.DeleteConsumerGroup(group))
	again := admin.DeleteConsumerGroup(group)
	check(errors.Is(again, sarama.ErrGroupIDNotFound), "deleted twice:", again)
}

func rebalance() {
	group := topic + "-two"
	one := work(group, "")
	settled("one has all", partitions, one)
	two := work(group, "")
	settled("each has half", partitions/2, one, two)
	two.end()
	settled("one has all again", partitions, one)
	one.end()
}

// Rebalances that overlap, with static members among them: they come, go and come back under the
// same name while others join and leave; in the end everything belongs to exactly one member.
func overlap() {
	group := topic + "-overlap"
	stays, goes := work(group, "stays"), work(group, "goes")
	for round := 0; round < 3; round++ {
		passing := work(group, "")
		goes.end()
		goes = work(group, "goes")
		second := work(group, "")
		passing.end()
		settled(fmt.Sprint("round ", round), 2, stays, goes, second)
		second.end()
	}
	settled("the static two share", partitions/2, stays, goes)
	goes.end()
	stays.end()
}

func await(what string, holds func() bool) {
	until := time.Now().Add(patience)
	for !holds() {
		check(time.Now().Before(until), what, "not in time")
		time.Sleep(20 * time.Millisecond)
	}
}

// Every partition belongs to exactly one of them, and none has more than `most`.
func settled(what string, most int, workers ...*worker) {
	await(what, func() bool {
		owned, sum := map[int32]bool{}, 0
		for _, worker := range workers {
			has := worker.has()
			if len(has) == 0 || len(has) > most {
				return false
			}
			sum += len(has)
			for _, partition := range has {
				owned[partition] = true
			}
		}
		return len(owned) == partitions && sum == partitions
	})
}

// Every partition in turn, one record a request, and a reader of all of them: where do the
// requests go? The broker's counters tell.
func steady() {
	topic := topic + "-steady"
	admin := administrator()
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: steadyPartitions, ReplicationFactor: 1}
	ok(admin.CreateTopic(topic, detail, false))
	sent, until := 0, time.Now().Add(steadySeconds*time.Second)
	sender := must(sarama.NewSyncProducer([]string{bootstrap}, settings()))
	defer sender.Close()
	send := func() {
		message := &sarama.ProducerMessage{
			Topic: topic, Partition: int32(sent % steadyPartitions), Value: sarama.StringEncoder("x"),
		}
		_, _, failed := sender.SendMessage(message)
		ok(failed)
		sent++
	}
	send()
	read(topic, steadyPartitions, func(*sarama.ConsumerMessage) bool {
		send()
		return time.Now().After(until)
	})
	fmt.Println("sarama: steady:", sent, "requests")
}

func deletion() {
	admin := administrator()
	defer admin.Close()
	ok(admin.DeleteTopic(topic))
	_, found := must(admin.ListTopics())[topic]
	check(!found, "still listed")
}
