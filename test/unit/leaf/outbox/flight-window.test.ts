import assert from 'node:assert/strict'
import { FlightWindow } from '../../../../leaf/outbox/flight-window.ts'

const CREDIT = 4 * 1024 * 1024

/** A line that carries `bytesPerMs` after `delayMs`; returns the longest time a batch took. */
function drive(window: FlightWindow, delayMs: number, bytesPerMs: number, batches: number): number {
  let nowMs = 0
  let lineFreeMs = 0
  const flights: { bytes: number; sentMs: number; doneMs: number }[] = []
  let longestMs = 0
  for (let sent = 0; sent < batches; ) {
    if (window.hasRoom) {
      const bytes = window.batchBytes
      window.sent(bytes)
      lineFreeMs = Math.max(nowMs, lineFreeMs) + bytes / bytesPerMs
      flights.push({ bytes, sentMs: nowMs, doneMs: lineFreeMs + delayMs })
      sent++
      continue
    }
    const flight = flights.shift()!
    nowMs = Math.max(nowMs, flight.doneMs)
    if (sent > batches / 2) longestMs = Math.max(longestMs, nowMs - flight.sentMs)
    window.answered(flight.bytes, nowMs - flight.sentMs, nowMs)
  }
  return longestMs
}

describe('flight window', () => {
  it('opens to what the hub grants on a fast link', () => {
    const window = new FlightWindow(CREDIT)
    drive(window, 1, 100_000, 200)
    assert.equal(window.bytes, CREDIT)
    assert.equal(window.batchBytes, 512 * 1024)
    assert.equal(window.isSlow, false)
  })

  it('keeps the queue on a link of 50 kbit/s short, and says that it is slow', () => {
    const window = new FlightWindow(CREDIT)
    const longestMs = drive(window, 300, 6.25, 400)
    assert.ok(longestMs < 6_000, `${longestMs} ms`)
    assert.ok(window.batchBytes <= 8 * 1024, `${window.batchBytes} bytes`)
    assert.equal(window.isSlow, true)
  })

  it('never asks for more than is granted, nor for nothing', () => {
    const window = new FlightWindow(100)
    assert.ok(window.hasRoom)
    window.sent(10_000_000)
    assert.equal(window.hasRoom, false)
    window.answered(10_000_000, 50, 50)
    assert.ok(window.hasRoom, 'a single batch of any size goes over an empty line')
    assert.ok(window.bytes >= 8 * 1024)
  })

  it('waits longer for answers when answers take long', () => {
    const window = new FlightWindow(CREDIT)
    const before = window.deadlineMs
    assert.ok(before >= 5_000)
    for (let i = 0; i < 50; i++) {
      window.sent(1)
      window.answered(1, 4_000, i * 4_000)
    }
    assert.ok(window.deadlineMs > 30_000 && window.deadlineMs <= 60_000, `${window.deadlineMs}`)
  })
})
