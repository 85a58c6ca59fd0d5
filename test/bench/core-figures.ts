import type { CoreBenchResult, Pair } from './core.ts'
import { count, type Figure, ratio } from './results.ts'

/** The aims: twice as fast where messages are small, a third faster where the kernel's copies dominate. */
const SMALL_BYTES_MAX = 128
const SMALL_AIM = 2
const LARGE_AIM = 1.3
/** A million subscriptions may take away so much of the traffic beside them. */
const BESIDE_SHARE_AIM = 0.9

export function coreFigures(result: CoreBenchResult): Figure[] {
  return [
    ...result.throughput.map((shape): Figure => {
      const aim = shape.payloadBytes <= SMALL_BYTES_MAX ? SMALL_AIM : LARGE_AIM
      const times = shape.theirs === undefined ? undefined : shape.ours / shape.theirs
      return {
        name: `${shape.name}, ${count(shape.payloadBytes)} B`,
        value: `${count(shape.ours)} msgs/s`,
        peer: peerOf(shape, count, times),
        aim: `>= ${aim}x`,
        isMet: times === undefined ? undefined : times >= aim,
      }
    }),
    ...requestFigures(result),
    ...idleFigures(result),
    ...interestFigures(result),
    lessIsBetter('start to ready', result.readyMs, (ms) => `${count(ms)} ms`, undefined),
  ]
}

function requestFigures({ requests }: CoreBenchResult): Figure[] {
  const of = (name: 'p50Us' | 'p99Us' | 'p999Us'): Pair<number> => ({
    ours: requests.ours[name],
    theirs: requests.theirs?.[name],
  })
  const micros = (us: number): string => `${count(us)} us`
  return [
    lessIsBetter('request and reply, p50', of('p50Us'), micros, undefined),
    lessIsBetter('request and reply, p99', of('p99Us'), micros, undefined),
    lessIsBetter('request and reply, p99.9', of('p999Us'), micros, 'no worse'),
  ]
}

function idleFigures({ idle }: CoreBenchResult): Figure[] {
  const rss = { ours: idle.ours.rssMiB, theirs: idle.theirs?.rssMiB }
  const cores = { ours: idle.ours.cores, theirs: idle.theirs?.cores }
  return [
    lessIsBetter('5,000 idle connections, RSS', rss, (mib) => `${count(mib)} MiB`, 'no more'),
    lessIsBetter(
      '5,000 idle connections, CPU',
      cores,
      (it) => `${(it * 100).toFixed(1)} %`,
      undefined,
    ),
  ]
}

function interestFigures({ interest }: CoreBenchResult): Figure[] {
  const grown = (it: CoreBenchResult['interest']['ours']): number =>
    it.rssAfterMiB - it.rssBeforeMiB
  const { ours, theirs } = interest
  const share = ours.besideThem / ours.without
  return [
    lessIsBetter(
      '1,000,000 subscriptions, RSS added',
      { ours: grown(ours), theirs: theirs && grown(theirs) },
      (mib) => `${count(mib)} MiB`,
      undefined,
    ),
    lessIsBetter(
      '1,000,000 subscriptions, time to make',
      { ours: ours.subscribeSeconds, theirs: theirs?.subscribeSeconds },
      (seconds) => `${seconds.toFixed(1)} s`,
      undefined,
    ),
    {
      name: '  10,000 subjects beside them, of the rate without',
      value: `${(share * 100).toFixed(0)} %`,
      peer:
        theirs === undefined
          ? 'no nats-server'
          : `nats-server ${((theirs.besideThem / theirs.without) * 100).toFixed(0)} %`,
      aim: `>= ${BESIDE_SHARE_AIM * 100} %`,
      isMet: share >= BESIDE_SHARE_AIM,
    },
  ]
}

function lessIsBetter(
  name: string,
  pair: Pair<number>,
  show: (value: number) => string,
  aim: string | undefined,
): Figure {
  const times = pair.theirs === undefined ? undefined : pair.ours / pair.theirs
  return {
    name,
    value: show(pair.ours),
    peer: peerOf(pair, show, times),
    ...(aim === undefined
      ? {}
      : { aim, isMet: pair.theirs === undefined ? undefined : pair.ours <= pair.theirs }),
  }
}

function peerOf(
  pair: Pair<number>,
  show: (value: number) => string,
  times: number | undefined,
): string {
  return pair.theirs === undefined
    ? 'no nats-server'
    : `nats-server ${show(pair.theirs)}, ${ratio(times)}`
}
