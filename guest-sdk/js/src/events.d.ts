// Types of `@plugwork/guest/events`: for plugins whose `plugin.toml` imports `plugwork:host/events@0.1.0`.

/** Publishes one event, at most 64 KiB. Throws a Refusal: `denied`, `invalid`, or `unavailable` where a subscriber's queue is full (all others have it then), or an event of a durable topic could not be kept (nobody has it). */
export function emit(topic: string, payload?: string | Uint8Array): void;
/** From the first on the plugin receives only what it subscribed to. Throws a Refusal. */
export function subscribe(pattern: string): number;
/** As `subscribe`, for one event. */
export function once(pattern: string): number;
/**
 * Tells the plugin again of the durable events that follow a sequence, after the call that is under way. Answers the sequence from which on that is:
 * greater than `after` where what lies between is gone or was not granted yet. Throws a Refusal: `invalid`, or `unavailable` where it is told again already.
 */
export function replay(after: number): number;
/** Ends a subscription. */
export function unsubscribe(subscription: number): void;
