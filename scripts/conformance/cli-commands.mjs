/**
 * What the `nats` CLI is asked to do at both servers: lines for a user of an application's account, then for one
 * of the system account. `|` separates commands. `&` runs beside those that follow, until the next one that is
 * `.`; DIR is a folder of the run, SELF the server's id.
 */
export const APPLICATION = `
rtt | account info | account tls | pub a.b hello -H X:1 | req nobody x
& reply svc pong | req svc x | server check request --subject svc | .
& sub tr.> | trace tr.x hi --deliver | . | trace a.b
bench pub b --msgs 20000 --clients 2 --no-progress
& bench service serve bs --no-progress | bench service request bs --msgs 200 --no-progress | .
& micro serve echoes | micro ls | micro info echoes | micro stats echoes | micro ping | .
server check connection | account report connections | account report statistics

stream add S --subjects s.> --defaults | stream add S --subjects other --defaults | stream add T --subjects s.1 --defaults
stream ls | stream ls -n | stream ls -j | pub s.1 x --count 3 | stream info S | stream info S -j | stream info NONE
stream subjects S | stream subjects S -j | stream subjects S s.2
stream state S | stream state S -j | stream report | stream report -j | stream get S 1 | stream get S 1 -j | stream get S 99
stream get S --last-for s.1 | stream get S --last-for s.2
stream find | stream find --empty | stream find --subject s.1 | stream find --idle 1h
stream edit S --subjects s.>,t.> -f | stream edit S --max-msgs 1000 --dry-run | stream edit S --storage memory -f
stream edit S --max-msgs 10 --description words --metadata a:b -f | stream info S | stream view S 3 --raw
stream copy S S2 --subjects c.> | stream info S2 | stream copy S S3 | stream copy NONE S4
stream rmm S 2 -f | stream rmm S 2 -f | stream gaps S --no-progress -f | stream gaps S --no-progress -f --json
stream cluster step-down S | stream cluster peer-remove S n1 -f | stream cluster balance
server check stream --stream S | server check stream --stream S --msgs-warn 1 --msgs-critical 2 | server check stream --stream NONE
server check stream --stream S --subjects-warn 5 --subjects-critical 1 --format json
server check message --stream S --subject s.1 | server check message --stream S --subject s.none
server check message --stream S --subject s.1 --content y | server check jetstream | server check jetstream --format json
server check jetstream --streams-warn 1 --streams-critical 2 | server check meta --expect 1 --lag-critical 1 --seen-critical 1s

consumer add S C --pull --defaults | consumer add S C --pull --defaults --ack none | consumer ls S | consumer ls S -n | consumer ls S -j
consumer info S C | consumer info S C -j | consumer info S NONE | consumer state S C | consumer find S | consumer find S --pull
consumer next S C | consumer next S C --no-ack | consumer next S C --wait 200ms | consumer next S C --count 2 --wait 500ms
consumer report S | consumer edit S C --max-deliver 7 --description words -f | consumer info S C | consumer edit S C --ack none -f
consumer copy S C D --max-pending 5 | consumer info S D | consumer reset S C -f | consumer state S C | consumer reset S C --sequence 3 -f
consumer pause S C 1h -f | consumer resume S C -f | consumer unpin S C g -f | consumer cluster step-down S C | consumer cluster balance S
consumer add S P --target push.here --defaults --deliver all --ack explicit --heartbeat 5s --flow-control | consumer info S P
consumer add S Q --target push.q --deliver-group g --defaults --ack none | consumer ls S | consumer next S P
consumer add S PIN --pull --defaults --pinned-groups g --pinned-ttl 10s | consumer info S PIN | consumer unpin S PIN g -f
consumer add S OV --pull --defaults --overflow-groups g | consumer info S OV
consumer add S B --pull --defaults --backoff linear --backoff-steps 3 --backoff-min 1s --backoff-max 5s --max-deliver 5 | consumer info S B
consumer add S E --pull --ephemeral --defaults --filter s.1 --inactive-threshold 1h | consumer add S W --pull --defaults --deliver 99999h
consumer add NONE C --pull --defaults | consumer add S bad.name --pull --defaults | consumer add S F --pull --defaults --filter nothing
server check consumer --stream S --consumer C | server check consumer --stream S --consumer C --unprocessed-critical 1
server check consumer --stream S --consumer NONE | sub s.> --all --count 2 --raw | sub s.> --stream S --last --count 1 --raw
sub --stream S --durable C --count 1 --raw --ack | stream subjects S | consumer rm S C -f | consumer rm S C -f

stream backup S DIR/backup --no-progress | stream purge S -f --keep 1 | stream purge S -f --seq 3 | stream purge S -f --subject s.1 | stream purge S -f
stream rm S -f | stream rm S -f | stream restore DIR/backup --no-progress | stream info S | consumer ls S -n | stream restore DIR/backup --no-progress
stream seal S -f | pub s.1 late -J | stream rm S -f | stream rm S2 -f

stream add WORK --subjects w.> --retention work --max-age 1h --max-bytes 1MB --discard new --max-msg-size 10KB --dupe-window 10s --defaults
stream info WORK | pub w.1 x -J | consumer add WORK ONE --pull --defaults | consumer add WORK TWO --pull --defaults | consumer next WORK ONE | stream state WORK
stream add ALL --subjects all.> --allow-batch --allow-fast --allow-rollup --allow-msg-ttl --allow-schedules --subject-del-markers-ttl 10s --allow-direct --max-msgs-per-subject 5 --republish-source all.> --republish-destination re.> --limit-consumer-inactive 1m --limit-consumer-max-pending 10 --defaults
stream info ALL | stream info ALL -j | pub all.1 x -J | pub all.1 x -J -H Nats-TTL:1h | pub all.1 x -J -H Nats-Msg-Id:1 | pub all.1 x -J -H Nats-Msg-Id:1 | stream get ALL 2
pub all.1 x -J -H Nats-Expected-Last-Sequence:99 | pub all.1 x -J -H Nats-Rollup:sub | stream state ALL | stream purge ALL -f --subject all.1
stream add MEM --subjects mem.> --storage memory --defaults | stream info MEM | stream add ASYNC --subjects as.> --persist-mode async --defaults | stream info ASYNC
stream add TR --subjects tr.> --transform-source tr.> --transform-destination moved.> --defaults | pub tr.1 x -J | stream get TR 1 | stream info TR
stream add MI --mirror ALL --defaults | stream info MI | stream report | stream add SO --source ALL --source TR --defaults | stream info SO
stream add R3 --subjects r3 --replicas 3 --defaults | stream add BAD --subjects bad..x --defaults | stream add bad.name --subjects x --defaults
stream add FS --subjects fs.> --first-sequence 100 --defaults | pub fs.1 x -J | stream state FS | stream add NOACK --subjects na --no-ack --defaults | pub na x -J
stream add CTR --subjects ctr.> --allow-counter --allow-direct --defaults | counter increment ctr.a 5 --stream CTR | counter increment ctr.a --stream CTR -- -2 | counter get ctr.a | counter view ctr.a
counter ls | counter ls CTR | pub ctr.a x -J | counter get ctr.none
account info | account backup DIR/account -f | account report statistics
stream rm ALL -f | stream rm WORK -f | stream rm TR -f | stream rm MI -f | stream rm SO -f | stream rm MEM -f | stream rm ASYNC -f | stream rm FS -f | stream rm NOACK -f | stream rm CTR -f
account restore DIR/account | stream ls -n | account info

bench js pub sync jss --create --msgs 200 --no-progress --purge | bench js pub async jss --msgs 1000 --no-progress --purge | bench js pub batch jss --msgs 1000 --no-progress
bench js ordered --msgs 1000 --no-progress | bench js consume --msgs 1000 --no-progress | bench js fetch --msgs 1000 --no-progress --acks none --consumer f
bench js get sync --msgs 200 --no-progress | bench js get batch --msgs 500 --no-progress --filter jss | stream info benchstream
bench kv put --msgs 500 --no-progress | bench kv get --msgs 500 --no-progress

kv add B | kv add B | kv add H --history 5 --description words --max-value-size 100 --storage memory | kv add TTL --ttl 1h --marker-ttl 1m | kv add bad.name
kv put B k v | kv put B k w | kv get B k --raw | kv get B k | kv get B none | kv get B k --revision 1 --raw | kv create B k x | kv create B new x | kv update B k y 2 | kv update B k y 99
kv ls B | kv ls B -v | kv ls | kv ls -n | kv history B k | kv put H k 1 | kv put H k 2 | kv put H k 3 | kv history H k | kv revert H k 1 --force | kv get H k --raw
kv put H k 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345
kv put B bad..key v | kv status B | kv info H | kv edit H --history 9 | kv info H | kv del B k -f | kv get B k | kv ls B | kv history B k | kv purge B new -f | kv compact B -f
kv create TTL k v --ttl 10s | kv info TTL | server check kv --bucket B | server check kv --bucket B --key none | server check kv --bucket H --key k --values-warn 0 --values-critical 5
kv add MIR --mirror H | kv info MIR | kv del B -f | kv del B -f | kv rm H -f | kv info B

object add O | object add O | object ls O | object put O DIR/small --name f --no-progress -f | object put O DIR/large --name big --no-progress --description words -f | object ls O | object ls | object ls -n
object info O | object info O f | object info O none | object get O f --output DIR/got --no-progress -f | object get O big --output DIR/got2 --no-progress -f | object get O none --output DIR/x --no-progress -f
object put O DIR/small --name f --no-progress -f | object edit O --description more | object info O | object rm O f -f | object ls O | object seal O -f | object put O DIR/small --name g --no-progress -f | object rm O -f | object rm O -f
`

export const OPERATOR = `
server list | server info | server ping 1 | server check connection | server check server --name n1
server report connections | server report accounts | server report jetstream | server report jetstream -j | server report health
server report cpu | server report mem | server report gateways | server report routes | server report leafnodes
server request variables | server request connections | server request subscriptions | server request jetstream
server request jetstream --all | server request jetstream --account APP --streams --consumer --config
server request jetstream-health | server request jetstream-health --details | server request accounts | server request leafnodes | server request routes
server request gateways | server request profile goroutine | server account info APP
server check jetstream | server check meta --expect 1 --lag-critical 1 --seen-critical 1s | account info
server config reload SELF -f
server account purge APP -f | server account purge NONE -f | server account info APP
`
