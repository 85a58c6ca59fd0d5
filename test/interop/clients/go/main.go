// A client of the interop tests: `go-client SCENARIO URL [-flag value …]`. Runs one scenario against a server,
// and ends with 0 when all of it came true; else it says what did not. test/interop/clients.test.ts drives it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

const deadline = 5 * time.Second

var scenarios = map[string]func(nc *nats.Conn) error{
	"publish-subscribe": publishSubscribe,
	"wildcards":         wildcards,
	"queue-group":       queueGroup,
	"request-reply":     requestReply,
	"headers":           headers,
	"no-responders":     noResponders,
	"large-message":     largeMessage,
	"unsubscribe-after": unsubscribeAfter,
	"drain":             drain,
	"reconnect":         reconnect,
	"forbidden":         forbidden,
	"service":           service,
	"jetstream":         streams,
	"expectations":      expectations,
	"consume":           consume,
	"redelivery":        redelivery,
	"ordered-consumer":  ordered,
	"push-consumer":     pushed,
	"copies":            copies,
	"key-value":         keyValue,
	"object-store":      objects,
}

func main() {
	name, url := os.Args[1], os.Args[2]
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	user := flags.String("user", "", "")
	password := flags.String("password", "", "")
	token := flags.String("token", "", "")
	nkey := flags.String("nkey", "", "file with a seed")
	creds := flags.String("creds", "", "file with a JWT and a seed")
	ca := flags.String("ca", "", "")
	cert := flags.String("cert", "", "")
	key := flags.String("key", "", "")
	tlsFirst := flags.Bool("tls-first", false, "")
	_ = flags.Parse(os.Args[3:])

	options := []nats.Option{
		nats.Name("interop-go"), nats.Timeout(deadline),
		nats.ReconnectWait(50 * time.Millisecond), nats.MaxReconnects(-1),
	}
	if *user != "" {
		options = append(options, nats.UserInfo(*user, *password))
	}
	if *token != "" {
		options = append(options, nats.Token(*token))
	}
	if *nkey != "" {
		option, err := nats.NkeyOptionFromSeed(*nkey)
		check(err)
		options = append(options, option)
	}
	if *creds != "" {
		options = append(options, nats.UserCredentials(*creds))
	}
	if *ca != "" {
		options = append(options, nats.RootCAs(*ca))
	}
	if *cert != "" {
		options = append(options, nats.ClientCert(*cert, *key))
	}
	if *tlsFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	check(run(name, url, options))
	fmt.Println("ok")
}

func run(name, url string, options []nats.Option) error {
	switch name {
	case "refused":
		return refused(url, options)
	case "no-handshake":
		return noHandshake(url, options)
	}
	scenario, known := scenarios[name]
	if !known {
		return fmt.Errorf("no scenario %q", name)
	}
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return err
	}
	defer nc.Close()
	return scenario(nc)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func expect(isSo bool, format string, args ...any) error {
	if isSo {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func publishSubscribe(nc *nats.Conn) error {
	sub, err := nc.SubscribeSync("greet.joe")
	if err != nil {
		return err
	}
	if err := nc.Publish("greet.joe", []byte("hello")); err != nil {
		return err
	}
	msg, err := sub.NextMsg(deadline)
	if err != nil {
		return err
	}
	return expect(string(msg.Data) == "hello", "got %q", msg.Data)
}

func wildcards(nc *nats.Conn) error {
	star, _ := nc.SubscribeSync("w.*.c")
	tail, _ := nc.SubscribeSync("w.>")
	for _, subject := range []string{"w.b.c", "w.b", "w.b.c.d", "x.b.c"} {
		_ = nc.Publish(subject, nil)
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	starred, _, _ := star.Pending()
	tailed, _, _ := tail.Pending()
	return expect(starred == 1 && tailed == 3, "* got %d, > got %d", starred, tailed)
}

func queueGroup(nc *nats.Conn) error {
	const count = 200
	var first, second atomic.Int32
	_, _ = nc.QueueSubscribe("jobs", "workers", func(*nats.Msg) { first.Add(1) })
	_, _ = nc.QueueSubscribe("jobs", "workers", func(*nats.Msg) { second.Add(1) })
	for range count {
		_ = nc.Publish("jobs", nil)
	}
	if err := nc.Drain(); err != nil {
		return err
	}
	for end := time.Now().Add(deadline); !nc.IsClosed() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	a, b := first.Load(), second.Load()
	return expect(a+b == count && a > 0 && b > 0, "members got %d and %d", a, b)
}

func requestReply(nc *nats.Conn) error {
	_, err := nc.Subscribe("double", func(msg *nats.Msg) { _ = msg.Respond(append(msg.Data, msg.Data...)) })
	if err != nil {
		return err
	}
	for _, text := range []string{"a", "bc", ""} {
		answer, err := nc.Request("double", []byte(text), deadline)
		if err != nil {
			return err
		}
		if err := expect(string(answer.Data) == text+text, "got %q", answer.Data); err != nil {
			return err
		}
	}
	return nil
}

func headers(nc *nats.Conn) error {
	sub, _ := nc.SubscribeSync("with.headers")
	sent := &nats.Msg{Subject: "with.headers", Data: []byte("body"), Header: nats.Header{}}
	sent.Header.Add("Plant", "7")
	sent.Header.Add("Plant", "8")
	sent.Header.Add("case-Kept", "yes")
	if err := nc.PublishMsg(sent); err != nil {
		return err
	}
	got, err := sub.NextMsg(deadline)
	if err != nil {
		return err
	}
	isSame := fmt.Sprint(got.Header) == fmt.Sprint(sent.Header) && string(got.Data) == "body"
	return expect(isSame, "got %v %q", got.Header, got.Data)
}

func noResponders(nc *nats.Conn) error {
	started := time.Now()
	_, err := nc.Request("nobody.listens", nil, deadline)
	if !errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("expected no responders, got %v", err)
	}
	return expect(time.Since(started) < deadline/2, "the answer took %v", time.Since(started))
}

func largeMessage(nc *nats.Conn) error {
	sub, _ := nc.SubscribeSync("large")
	body := bytes.Repeat([]byte("x"), int(nc.MaxPayload()))
	if err := nc.Publish("large", body); err != nil {
		return err
	}
	msg, err := sub.NextMsg(deadline)
	if err != nil {
		return err
	}
	return expect(bytes.Equal(msg.Data, body), "got %d bytes of %d", len(msg.Data), len(body))
}

func unsubscribeAfter(nc *nats.Conn) error {
	sub, _ := nc.SubscribeSync("few")
	if err := sub.AutoUnsubscribe(3); err != nil {
		return err
	}
	for range 10 {
		_ = nc.Publish("few", nil)
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	count, _, _ := sub.Pending()
	// Once the server has removed it, a request finds nobody.
	_, err := nc.Request("few", nil, deadline)
	return expect(count == 3 && errors.Is(err, nats.ErrNoResponders), "got %d, then %v", count, err)
}

func drain(nc *nats.Conn) error {
	const count = 1000
	var got atomic.Int32
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	_, _ = nc.Subscribe("drained", func(*nats.Msg) { got.Add(1) })
	for range count {
		_ = nc.Publish("drained", nil)
	}
	if err := nc.Drain(); err != nil {
		return err
	}
	select {
	case <-closed:
	case <-time.After(deadline):
		return errors.New("not drained in time")
	}
	return expect(got.Load() == count, "got %d of %d", got.Load(), count)
}

// The driver restarts the server when it reads "connected".
func reconnect(nc *nats.Conn) error {
	sub, _ := nc.SubscribeSync("again")
	back := make(chan struct{}, 8)
	nc.SetReconnectHandler(func(*nats.Conn) { back <- struct{}{} })
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Println("connected")
	select {
	case <-back:
	case <-time.After(3 * deadline):
		return errors.New("not connected again in time")
	}
	_ = nc.Publish("again", []byte("after"))
	msg, err := sub.NextMsg(deadline)
	if err != nil {
		return err
	}
	return expect(string(msg.Data) == "after", "got %q", msg.Data)
}

func refused(url string, options []nats.Option) error {
	nc, err := nats.Connect(url, options...)
	if err == nil {
		nc.Close()
	}
	return expect(errors.Is(err, nats.ErrAuthorization), "expected to be refused, got %v", err)
}

func noHandshake(url string, options []nats.Option) error {
	nc, err := nats.Connect(url, options...)
	if err == nil {
		nc.Close()
	}
	return expect(err != nil, "expected the handshake to fail")
}

// The user may not publish or subscribe under `secret`; the connection outlives the attempt.
func forbidden(nc *nats.Conn) error {
	said := make(chan error, 8)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { said <- err })
	attempts := []func(){
		func() { _ = nc.Publish("secret.plan", nil) },
		func() { _, _ = nc.SubscribeSync("secret.plan") },
	}
	for _, attempt := range attempts {
		attempt()
		select {
		case err := <-said:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "secret.plan") {
				return err
			}
		case <-time.After(deadline):
			return errors.New("no error came")
		}
	}
	return publishSubscribe(nc)
}

func service(nc *nats.Conn) error {
	added, err := micro.AddService(nc, micro.Config{
		Name: "adder", Version: "1.0.0",
		Endpoint: &micro.EndpointConfig{
			Subject: "add",
			Handler: micro.HandlerFunc(func(request micro.Request) { _ = request.Respond([]byte("3")) }),
		},
	})
	if err != nil {
		return err
	}
	if _, err := nc.Request("add", nil, deadline); err != nil {
		return err
	}
	answer, err := nc.Request("$SRV.INFO.adder", nil, deadline)
	if err != nil {
		return err
	}
	if err := expect(strings.Contains(string(answer.Data), added.Info().ID), "got %s", answer.Data); err != nil {
		return err
	}
	return added.Stop()
}

func streams(nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "GO", Subjects: []string{"go.>"}})
	if err != nil {
		return err
	}
	if _, err := js.Publish(ctx, "go.1", []byte("kept")); err != nil {
		return err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "reader"})
	if err != nil {
		return err
	}
	msg, err := consumer.Next()
	if err != nil {
		return err
	}
	if err := msg.DoubleAck(ctx); err != nil {
		return err
	}
	if err := expect(string(msg.Data()) == "kept", "got %q", msg.Data()); err != nil {
		return err
	}
	return js.DeleteStream(ctx, "GO")
}
