FROM php:8-apache
MAINTAINER Some One <someone@example.org>
COPY --from=composer:2 /bin/pkg /usr/bin/composer2
COPY composer.json /var/www/
RUN cd /var/www && composer install --no-dev
COPY src/ /var/www/html/
RUN chown -R 33:33 /var/www/html && chmod -R g+w /var/www/html
ENV APACHE_DOCUMENT_ROOT /var/www/html
EXPOSE 80
