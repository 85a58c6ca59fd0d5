#!/usr/bin/env node
/**
 * A simulated plant: 20 sensors on presses, each with an MQTT connection of its own, each publishing a
 * temperature per second with QoS 1, and now and then an alarm. Every reading carries a number without gaps, so
 * that a reader at the hub can see that none is missing. Keeps going while the leaf is away.
 *
 *   node scripts/demo-plant.mjs [mqtt://127.0.0.1:1883]
 */
import mqtt from 'mqtt'

const SENSORS = 20
const READING_INTERVAL_MS = 1_000
const REPORT_INTERVAL_MS = 5_000
const ALARM_CELSIUS = 92

const url = process.argv[2] ?? 'mqtt://127.0.0.1:1883'
const counts = { sent: 0, acknowledged: 0, alarms: 0, connected: 0 }

const sensors = Array.from({ length: SENSORS }, (_, i) => startSensor(`press-${i + 1}`))
const report = setInterval(printReport, REPORT_INTERVAL_MS)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)

function startSensor(name) {
  const client = mqtt.connect(url, {
    clientId: `demo-${name}`,
    clean: true,
    reconnectPeriod: 1_000,
  })
  let number = 0
  let celsius = 60 + Math.random() * 20
  client.on('connect', () => {
    counts.connected++
    if (counts.connected === SENSORS) say(`${SENSORS} sensors are connected to ${url}`)
  })
  client.on('close', () => {
    if (counts.connected > 0) counts.connected--
  })
  client.on('error', (error) => say(`${name}: ${error.message || error.code}`))
  const timer = setInterval(() => {
    celsius = Math.min(99, Math.max(40, celsius + (Math.random() - 0.5) * 4))
    publish(client, `plant/${name}/temperature`, { n: ++number, celsius: rounded(celsius) })
    if (celsius <= ALARM_CELSIUS) return
    counts.alarms++
    publish(client, `plant/${name}/alarm/overheat`, { celsius: rounded(celsius) })
    celsius -= 15
  }, READING_INTERVAL_MS)
  return { client, timer }
}

function publish(client, topic, body) {
  counts.sent++
  client.publish(
    topic,
    JSON.stringify({ ...body, at: new Date().toISOString() }),
    { qos: 1 },
    (error) => {
      if (error === undefined || error === null) counts.acknowledged++
    },
  )
}

function printReport() {
  const { sent, acknowledged, alarms, connected } = counts
  const waiting = sent - acknowledged
  say(
    `${sent} readings sent, ${acknowledged} on the leaf's disk, ${waiting} waiting, ` +
      `${alarms} alarms, ${connected}/${SENSORS} sensors connected`,
  )
}

async function stop() {
  clearInterval(report)
  for (const { timer } of sensors) clearInterval(timer)
  await Promise.all(sensors.map(({ client }) => client.endAsync().catch(() => {})))
  printReport()
  process.exit(0)
}

function rounded(celsius) {
  return Math.round(celsius * 10) / 10
}

function say(text) {
  process.stdout.write(`${text}\n`)
}
