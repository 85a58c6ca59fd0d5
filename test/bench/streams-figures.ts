import { count, type Figure, ratio } from './results.ts'
import type { ConsumeFigure, Each, StreamsBenchResult } from './streams.ts'

/** At the same promise, and against a server that promises less. */
const ALWAYS_AIM = 10
const DEFAULT_AIM = 1.5
const CONSUME_AIM = 1.5
const READY_AIM_MS = 1_000
const RSS_AIM_MIB = 200
/** One at a time everybody waits for the disk: only many in flight can share a sync. */
const ALONE = '1 in flight'

export function streamsFigures(result: StreamsBenchResult): Figure[] {
  return [
    ...publishFigures(result),
    ...result.consume.flatMap(consumeFigures),
    ...kvFigures(result),
    ...sizeFigures(result),
  ]
}

function publishFigures({ publish }: StreamsBenchResult): Figure[] {
  return publish.flatMap((figure): Figure[] => {
    const { name, rates, p50Us, p99Us, bytesPerMessage, diskAllows } = figure
    const isAlone = name === ALONE
    const { ours = 0, always } = rates
    const times = always === undefined ? undefined : ours / always
    return [
      {
        name: `publish, ${name}`,
        value: `${count(ours)} msgs/s`,
        peer: always === undefined ? 'no nats-server' : `always ${count(always)}, ${ratio(times)}`,
        ...(isAlone ? {} : { aim: `>= ${ALWAYS_AIM}x`, isMet: times && times >= ALWAYS_AIM }),
      } as Figure,
      faster('  against its default', rates, isAlone ? undefined : DEFAULT_AIM),
      {
        name: '  that this disk allows to who waits for it',
        value: `${count(diskAllows)} msgs/s`,
        peer: rates.default === undefined ? '' : `default, ${ratio(diskAllows / rates.default)}`,
      },
      ...(isAlone
        ? [
            {
              name: '  p50, p99',
              value: `${count(p50Us.ours ?? 0)}, ${count(p99Us.ours ?? 0)} us`,
              peer: `always ${count(p50Us.always ?? 0)}, ${count(p99Us.always ?? 0)}`,
            },
          ]
        : []),
      {
        name: '  written to disk for each',
        value: `${count(bytesPerMessage.ours ?? 0)} B`,
        peer: `default ${count(bytesPerMessage.default ?? 0)}, always ${count(bytesPerMessage.always ?? 0)}`,
      },
    ]
  })
}

function consumeFigures({ name, hasAim, rates, cpuUs, clientCores }: ConsumeFigure): Figure[] {
  const us = (value = 0): string => value.toFixed(2)
  const theirs = cpuUs.default
  const peer = theirs === undefined ? {} : { peer: `default ${us(theirs)}` }
  return [
    faster(`consume, ${name}`, rates, hasAim ? CONSUME_AIM : undefined),
    {
      name: '  processor time for each; of the client',
      value: `${us(cpuUs.ours)} us; ${us(clientCores.ours)} cores`,
      ...peer,
    },
  ]
}

function kvFigures({ kv }: StreamsBenchResult): Figure[] {
  const of = (name: 'putsPerSecond' | 'getsPerSecond' | 'watchedPerSecond'): Each<number> => {
    const pick = (sync: 'ours' | 'default'): object =>
      kv[sync] === undefined ? {} : { [sync]: kv[sync][name] }
    return { ...pick('ours'), ...pick('default') }
  }
  return [
    faster('key-value put, 64 in flight', of('putsPerSecond'), undefined),
    faster('key-value get, 64 in flight', of('getsPerSecond'), undefined),
    faster('key-value watch', of('watchedPerSecond'), undefined),
  ]
}

function sizeFigures({
  subjects,
  start,
  subjectCount,
  startMessages,
}: StreamsBenchResult): Figure[] {
  const ready = (ms: number | undefined): string => `${count(ms ?? 0)} ms`
  const less = (name: string, ours: number, theirs: string, aim: number, unit: string): Figure => ({
    name,
    value: `${count(ours)} ${unit}`,
    peer: theirs,
    aim: `< ${count(aim)} ${unit}`,
    isMet: ours < aim,
  })
  const { ours: mine, default: theirs } = start
  return [
    less(
      `${count(subjectCount)} subjects, RSS`,
      subjects.ours?.rssMiB ?? 0,
      `${count(subjects.default?.rssMiB ?? 0)} MiB`,
      RSS_AIM_MIB,
      'MiB',
    ),
    {
      name: '  publish to them',
      value: `${count(subjects.ours?.rate ?? 0)} msgs/s`,
      peer: `${count(subjects.default?.rate ?? 0)}`,
    },
    less(
      `start with ${count(startMessages)} messages on ${count(subjectCount)} subjects`,
      mine?.readyMs ?? 0,
      ready(theirs?.readyMs),
      READY_AIM_MS,
      'ms',
    ),
    less(
      '  after kill -9',
      mine?.readyAfterKillMs ?? 0,
      ready(theirs?.readyAfterKillMs),
      READY_AIM_MS,
      'ms',
    ),
    less(
      '  RSS then, and when all are read',
      mine?.rssMiB ?? 0,
      `${theirs?.rssMiB ?? 0} MiB`,
      RSS_AIM_MIB,
      'MiB',
    ),
  ]
}

function faster(name: string, rates: Each<number>, aim: number | undefined): Figure {
  const { ours = 0, default: theirs } = rates
  const times = theirs === undefined ? undefined : ours / theirs
  return {
    name,
    value: `${count(ours)} /s`,
    peer: theirs === undefined ? '' : `default ${count(theirs)}, ${ratio(times)}`,
    ...(aim === undefined
      ? {}
      : { aim: `>= ${aim}x`, isMet: times === undefined ? undefined : times >= aim }),
  }
}
