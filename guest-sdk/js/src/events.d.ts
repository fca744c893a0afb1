// Types of `@plugwork/guest/events`: for plugins whose `plugin.toml` imports `plugwork:host/events@0.1.0`.

/** Publishes one event, at most 64 KiB. Throws a Refusal: `denied`, `invalid`, or `unavailable` where a subscriber's queue is full. */
export function emit(topic: string, payload?: string | Uint8Array): void;
/** From the first on the plugin receives only what it subscribed to. Throws a Refusal. */
export function subscribe(pattern: string): number;
/** As `subscribe`, for one event. */
export function once(pattern: string): number;
/** Ends a subscription. */
export function unsubscribe(subscription: number): void;
