import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.cp.lock.FencedLock;
import java.util.concurrent.TimeUnit;

/** The calls of one fenced lock; each runs on the thread that the command names. */
final class LockCalls {
    JsonElement call(HazelcastInstance instance, String call, JsonObject command) {
        FencedLock lock = instance.getCPSubsystem().getLock(command.get("name").getAsString());
        switch (call) {
            case "lock":
                return Values.encode(lock.lockAndGetFence());
            case "try_lock":
                return Values.encode(
                        command.has("timeout_ms")
                                ? lock.tryLockAndGetFence(
                                        command.get("timeout_ms").getAsLong(),
                                        TimeUnit.MILLISECONDS)
                                : lock.tryLockAndGetFence());
            case "unlock":
                lock.unlock();
                return null;
            case "fence":
                return Values.encode(lock.getFence());
            case "is_locked":
                return Values.encode(lock.isLocked());
            case "is_mine":
                return Values.encode(lock.isLockedByCurrentThread());
            case "count":
                return Values.encode(lock.getLockCount());
            case "destroy":
                lock.destroy();
                return null;
            default:
                throw new IllegalArgumentException("no lock call " + call);
        }
    }
}
