package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a scenario of streams is given: the client's JetStream, and a context with the deadline of it all.
type onStreams func(ctx context.Context, js jetstream.JetStream) error

func withStreams(scenario onStreams) func(nc *nats.Conn) error {
	return func(nc *nats.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*deadline)
		defer cancel()
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		return scenario(ctx, js)
	}
}

// A stream with `count` messages in it, m1 to m<count>, which `work` is done on.
func withFilled(name string, count int, work func(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream) error) func(nc *nats.Conn) error {
	return withStreams(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, AllowDirect: true})
		if err != nil {
			return err
		}
		for i := 1; i <= count; i++ {
			if _, err := js.PublishAsync(name+".a", fmt.Appendf(nil, "m%d", i)); err != nil {
				return err
			}
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := work(ctx, js, stream); err != nil {
			return err
		}
		return js.DeleteStream(ctx, name)
	})
}

var expectations = withFilled("GOEXPECT", 3, func(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream) error {
	subject := "GOEXPECT.a"
	ack, err := js.Publish(ctx, subject, []byte("once"), jetstream.WithMsgID("id"))
	if err != nil {
		return err
	}
	again, err := js.Publish(ctx, subject, []byte("once"), jetstream.WithMsgID("id"))
	if err != nil {
		return err
	}
	if err := expect(again.Duplicate && again.Sequence == ack.Sequence, "second %+v, first %+v", again, ack); err != nil {
		return err
	}
	_, err = js.Publish(ctx, subject, nil, jetstream.WithExpectLastSequence(99))
	var refused *jetstream.APIError
	if err := expect(errors.As(err, &refused) && refused.ErrorCode == 10071, "got %v", err); err != nil {
		return err
	}
	last, err := stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return err
	}
	return expect(string(last.Data) == "once" && last.Sequence == 4, "last is %d %q", last.Sequence, last.Data)
})

var consume = withFilled("GOCONSUME", 500, func(ctx context.Context, _ jetstream.JetStream, stream jetstream.Stream) error {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		return err
	}
	next := 1
	done := make(chan error, 1)
	running, err := consumer.Consume(func(msg jetstream.Msg) {
		wanted := fmt.Sprintf("m%d", next)
		if string(msg.Data()) != wanted {
			done <- fmt.Errorf("got %q instead of %q", msg.Data(), wanted)
		}
		_ = msg.Ack()
		if next++; next > 500 {
			done <- nil
		}
	}, jetstream.PullMaxMessages(100))
	if err != nil {
		return err
	}
	defer running.Stop()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("stopped before %d", next)
	}
	for {
		info, err := consumer.Info(ctx)
		if err != nil || info.AckFloor.Stream == 500 {
			return err
		}
	}
})

var redelivery = withFilled("GOAGAIN", 2, func(ctx context.Context, _ jetstream.JetStream, stream jetstream.Stream) error {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy, AckWait: deadline, MaxDeliver: 3,
	})
	if err != nil {
		return err
	}
	first, err := consumer.Next()
	if err != nil {
		return err
	}
	if err := first.NakWithDelay(50 * time.Millisecond); err != nil {
		return err
	}
	second, err := consumer.Next()
	if err != nil {
		return err
	}
	if err := second.TermWithReason("not wanted"); err != nil {
		return err
	}
	again, err := consumer.Next()
	if err != nil {
		return err
	}
	meta, err := again.Metadata()
	if err != nil {
		return err
	}
	if err := expect(string(again.Data()) == "m1" && meta.NumDelivered == 2, "got %q, %+v", again.Data(), meta); err != nil {
		return err
	}
	return again.DoubleAck(ctx)
})

var ordered = withFilled("GOORDER", 300, func(ctx context.Context, _ jetstream.JetStream, stream jetstream.Stream) error {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{OptStartSeq: 101, DeliverPolicy: jetstream.DeliverByStartSequencePolicy})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for i := 101; i <= 300; i++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		if err := expect(string(msg.Data()) == fmt.Sprintf("m%d", i), "got %q at %d", msg.Data(), i); err != nil {
			return err
		}
	}
	return nil
})

var pushed = withFilled("GOPUSH", 200, func(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream) error {
	consumer, err := js.CreateOrUpdatePushConsumer(ctx, "GOPUSH", jetstream.ConsumerConfig{
		Durable: "reader", DeliverSubject: "to.go", AckPolicy: jetstream.AckAllPolicy, IdleHeartbeat: time.Second, FlowControl: true,
	})
	if err != nil {
		return err
	}
	count := 0
	done := make(chan error, 1)
	running, err := consumer.Consume(func(msg jetstream.Msg) {
		if count++; count == 200 {
			done <- msg.DoubleAck(ctx)
		}
	})
	if err != nil {
		return err
	}
	defer running.Stop()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = fmt.Errorf("%d of 200", count)
	}
	if err != nil {
		return err
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return err
	}
	return expect(info.NumAckPending == 0 && info.AckFloor.Stream == 200, "got %+v", info)
})

var copies = withFilled("GOFROM", 50, func(ctx context.Context, js jetstream.JetStream, _ jetstream.Stream) error {
	for _, config := range []jetstream.StreamConfig{
		{Name: "GOMIRROR", Mirror: &jetstream.StreamSource{Name: "GOFROM"}},
		{Name: "GOSOURCE", Sources: []*jetstream.StreamSource{{Name: "GOFROM"}}},
	} {
		stream, err := js.CreateStream(ctx, config)
		if err != nil {
			return err
		}
		for {
			info, err := stream.Info(ctx)
			if err != nil {
				return err
			}
			if info.State.Msgs == 50 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		msg, err := stream.GetMsg(ctx, 50)
		if err != nil {
			return err
		}
		if err := expect(string(msg.Data) == "m50", "%s has %q", config.Name, msg.Data); err != nil {
			return err
		}
		if err := js.DeleteStream(ctx, config.Name); err != nil {
			return err
		}
	}
	return nil
})

var keyValue = withStreams(func(ctx context.Context, js jetstream.JetStream) error {
	bucket, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "gobucket", History: 5, LimitMarkerTTL: time.Second})
	if err != nil {
		return err
	}
	watcher, err := bucket.Watch(ctx, "lamp.>")
	if err != nil {
		return err
	}
	first, err := bucket.Create(ctx, "lamp.a", []byte("on"))
	if err != nil {
		return err
	}
	if _, err := bucket.Create(ctx, "lamp.a", nil); !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("made twice: %v", err)
	}
	if _, err := bucket.Update(ctx, "lamp.a", []byte("off"), first); err != nil {
		return err
	}
	if _, err := bucket.Update(ctx, "lamp.a", nil, first); err == nil {
		return errors.New("updated from an old revision")
	}
	if _, err := bucket.Create(ctx, "brief", []byte("x"), jetstream.KeyTTL(time.Second)); err != nil {
		return err
	}
	if err := bucket.Delete(ctx, "lamp.a"); err != nil {
		return err
	}
	for _, wanted := range []string{"nil", "on", "off", ""} {
		select {
		case entry := <-watcher.Updates():
			if err := expect((entry == nil) == (wanted == "nil") && (entry == nil || string(entry.Value()) == wanted), "watched %+v", entry); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("never saw %q", wanted)
		}
	}
	history, err := bucket.History(ctx, "lamp.a")
	if err != nil {
		return err
	}
	if err := expect(len(history) == 3 && history[2].Operation() == jetstream.KeyValueDelete, "history %+v", history); err != nil {
		return err
	}
	if _, err := bucket.Get(ctx, "lamp.a"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("got what is deleted: %v", err)
	}
	for {
		if _, err := bucket.Get(ctx, "brief"); errors.Is(err, jetstream.ErrKeyNotFound) {
			return js.DeleteKeyValue(ctx, "gobucket")
		} else if err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
})

var objects = withStreams(func(ctx context.Context, js jetstream.JetStream) error {
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "goobjects"})
	if err != nil {
		return err
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	if _, err := store.PutBytes(ctx, "large", large); err != nil {
		return err
	}
	if _, err := store.PutString(ctx, "small", "words"); err != nil {
		return err
	}
	got, err := store.GetBytes(ctx, "large")
	if err != nil {
		return err
	}
	if err := expect(bytes.Equal(got, large), "%d bytes came back", len(got)); err != nil {
		return err
	}
	if err := store.Delete(ctx, "large"); err != nil {
		return err
	}
	list, err := store.List(ctx)
	if err != nil {
		return err
	}
	if err := expect(len(list) == 1 && list[0].Name == "small", "listed %+v", list); err != nil {
		return err
	}
	return js.DeleteObjectStore(ctx, "goobjects")
})
