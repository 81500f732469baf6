package io.hetu.core.seedstore.filebased;

import java.io.Serializable;

/**
 * What an openLooKeng node expects to find in the seed file: this name, this version and these two
 * fields, read back by Java's own deserialisation.
 */
public final class FileBasedSeed implements Serializable {
    private static final long serialVersionUID = 4L;

    private long timestamp;
    private String location;

    public long timestamp() {
        return timestamp;
    }

    public String location() {
        return location;
    }
}
