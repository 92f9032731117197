package main

import (
	"context"
	"sync"

	"github.com/IBM/sarama"
)

// A member that reads until it is told to end, and says what it has at the moment.
type worker struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
	lock   sync.Mutex
	mine   []int32
	found  int
}

// With `instance`, a static member.
func work(group, instance string) *worker {
	config := settings()
	config.Consumer.Group.InstanceId = instance
	running, cancel := context.WithCancel(context.Background())
	worker := &worker{
		group:  must(sarama.NewConsumerGroup([]string{bootstrap}, group, config)),
		cancel: cancel,
		ended:  make(chan struct{}),
	}
	go func() {
		defer close(worker.ended)
		// Each call is one generation of the group.
		for running.Err() == nil {
			if failed := worker.group.Consume(running, []string{topic}, worker); failed != nil {
				check(running.Err() != nil, "the group:", failed)
			}
		}
	}()
	return worker
}

func (worker *worker) Setup(session sarama.ConsumerGroupSession) error {
	worker.lock.Lock()
	defer worker.lock.Unlock()
	worker.mine = session.Claims()[topic]
	return nil
}

func (worker *worker) Cleanup(session sarama.ConsumerGroupSession) error {
	worker.lock.Lock()
	defer worker.lock.Unlock()
	worker.mine = nil
	session.Commit()
	return nil
}

func (worker *worker) ConsumeClaim(session sarama.ConsumerGroupSession,
	claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			session.MarkMessage(message, "")
			worker.lock.Lock()
			worker.found++
			worker.lock.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

func (worker *worker) has() []int32 {
	worker.lock.Lock()
	defer worker.lock.Unlock()
	return worker.mine
}

func (worker *worker) read() int {
	worker.lock.Lock()
	defer worker.lock.Unlock()
	return worker.found
}

func (worker *worker) end() {
	worker.cancel()
	<-worker.ended
	ok(worker.group.Close())
}
