/** Brokers that this server is a client of: what each needs, and what would go round in circles. */
import { checkAccount, type Known } from './authorization-checks.ts'
import type { CoreFile } from './core-schema.ts'
import type { Findings, Keys } from './findings.ts'
import { nameOfMqttRemote } from './mqtt-remote-assembly.ts'
import type { BridgedTopicsFile, MqttRemoteFile } from './mqtt-remote-schema.ts'
import { isServerTopic, topicsOverlap, unshared } from './topic-rule.ts'

export function checkMqttRemotes(findings: Findings, file: CoreFile, known: Known): void {
  const names = new Set<string>()
  for (const [i, remote] of (file.mqtt?.remotes ?? []).entries()) {
    const keys = ['mqtt', 'remotes', i]
    checkAccount(findings, file, known, remote.account, [...keys, 'account'])
    findings.repeated(names, nameOfMqttRemote(remote), [...keys, 'name'])
    checkAddress(findings, remote, keys)
    if (remote.subscribe.length + remote.publish.length === 0) {
      const example = 'subscribe: ["plant/#"]'
      findings.problem(
        keys,
        `needs topics that cross: subscribe or publish, for example ${example}`,
      )
    }
    for (const key of ['subscribe', 'publish'] as const) {
      for (const [j, topics] of remote[key].entries()) {
        checkTopics(findings, topics, key, [...keys, key, j])
      }
    }
    checkOverlap(findings, remote, keys)
  }
}

function checkAddress(findings: Findings, remote: MqttRemoteFile, keys: Keys): void {
  const [first] = remote.url ?? []
  if (first === undefined) {
    findings.problem(keys, 'needs a url, for example url: "mqtt://plant.example:1883"')
    return
  }
  const user = remote.user ?? first.user
  const password = remote.password ?? first.password
  if (password !== '' && user === '') {
    findings.problem([...keys, 'password'], 'needs a user beside it')
  }
}

function checkTopics(
  findings: Findings,
  { filter, prefix }: BridgedTopicsFile,
  key: 'subscribe' | 'publish',
  keys: Keys,
): void {
  const isShared = filter.startsWith('$share/')
  if (isShared && key === 'publish') {
    findings.problem(keys, `"${filter}" is a shared subscription: only subscribe takes one`)
  }
  const here = prefix + (unshared(filter) ?? filter)
  if (!isServerTopic(here)) return
  const message =
    key === 'subscribe'
      ? `"${here}" would be the server's own here: give it a prefix`
      : `"${here}" belongs to the server itself`
  findings.problem(keys, message)
}

/**
 * What goes out on a topic that is subscribed to comes back. MQTT 5 brokers are told not to (no local), for all
 * but shared subscriptions, where that must not be asked for [MQTT-3.8.3-4].
 */
function checkOverlap(findings: Findings, remote: MqttRemoteFile, keys: Keys): void {
  for (const [j, incoming] of remote.subscribe.entries()) {
    const wanted = incoming.remote_prefix + (unshared(incoming.filter) ?? incoming.filter)
    const outgoing = remote.publish.find((it) =>
      topicsOverlap(wanted, it.remote_prefix + it.filter),
    )
    if (outgoing === undefined) continue
    const sent = outgoing.remote_prefix + outgoing.filter
    const what = `"${wanted}" overlaps with "${sent}" that is published there`
    const at = [...keys, 'subscribe', j]
    if (incoming.filter.startsWith('$share/')) {
      findings.problem(at, `${what}, and a shared subscription gets what it sent itself back`)
    } else if (remote.version === '3.1.1') {
      const advice = 'set version: 5, or keep them apart with a remote_prefix'
      findings.problem(at, `${what}: with MQTT 3.1.1 it comes back. ${advice}`)
    } else if (remote.version === 'auto') {
      findings.warning(
        at,
        `${what}: that takes a broker with MQTT 5, which is asked not to send it back`,
      )
    }
  }
}
