FROM alpine:3
RUN echo one > /one && echo "two world" > /two && mkdir /etc/app && \
    printf '[main]\nname = world\n' > /etc/app/settings.ini && \
    echo '$NAME stays' > /etc/app/raw.txt && \
    echo indented > /three && echo "from /dev/pipes/EOS" > /four
