import java.io.Serializable;

/** What clients before 5.2 need to store a class: Java's own serialization. */
public final class SerializableOrder implements Serializable {
    private static final long serialVersionUID = 1L;
    public final String name;
    public final long amount;

    SerializableOrder(String name, long amount) {
        this.name = name;
        this.amount = amount;
    }
}
